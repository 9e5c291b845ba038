package decision

import "fmt"

// Mode says what becomes of a finding. Modes are ordered: a larger one is stricter.
type Mode int

const (
	// ModeAudit records a finding and does nothing else.
	ModeAudit Mode = iota + 1
	// ModeWarn answers with an admission warning.
	ModeWarn
	// ModeEnforce denies, and lets injections patch.
	ModeEnforce
)

var modeNames = map[Mode]string{ModeAudit: "audit", ModeWarn: "warn", ModeEnforce: "enforce"}

// ParseMode accepts audit, warn and enforce.
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

// MarshalText writes the mode's name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText accepts what ParseMode accepts.
func (m *Mode) UnmarshalText(text []byte) error {
	mode, err := ParseMode(string(text))
	if err != nil {
		return err
	}
	*m = mode
	return nil
}
