package decision

import "fmt"

// Mode is the consequence of a finding. Larger modes are stricter.
type Mode int

const (
	// ModeAudit only records a finding.
	ModeAudit Mode = iota + 1
	// ModeWarn returns an admission warning.
	ModeWarn
	// ModeEnforce denies the object, and applies injections.
	ModeEnforce
)

var modeNames = map[Mode]string{ModeAudit: "audit", ModeWarn: "warn", ModeEnforce: "enforce"}

// ParseMode parses audit, warn or enforce.
func ParseMode(s string) (Mode, error) {
	for mode, name := range modeNames {
		if name == s {
			return mode, nil
		}
	}
	return 0, fmt.Errorf("unknown mode %q: use audit, warn or enforce", s)
}

func (m Mode) String() string {
	if name, ok := modeNames[m]; ok {
		return name
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mode) UnmarshalText(text []byte) error {
	mode, err := ParseMode(string(text))
	if err != nil {
		return err
	}
	*m = mode
	return nil
}
