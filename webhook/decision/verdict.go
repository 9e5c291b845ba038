package decision

import "fmt"

// Verdict summarizes a Decision. Like Modes, the verdicts are in increasing order of
// consequence, so that they can be compared.
type Verdict int

const (
	// VerdictAllow means that the object is admitted without warnings.
	VerdictAllow Verdict = iota + 1
	// VerdictWarn means that the object is admitted with warnings.
	VerdictWarn
	// VerdictUnknown means that the object is admitted although a missing fact could deny it.
	VerdictUnknown
	// VerdictDeny means that the object is refused.
	VerdictDeny
)

var verdictNames = map[Verdict]string{
	VerdictAllow: "allow", VerdictWarn: "warn", VerdictUnknown: "unknown", VerdictDeny: "deny",
}

// Verdict returns what a finding under the mode makes of its object, if it is neither
// exempted nor tolerated.
func (m Mode) Verdict() Verdict {
	switch {
	case m >= ModeEnforce:
		return VerdictDeny
	case m == ModeWarn:
		return VerdictWarn
	}
	return VerdictAllow
}

// Verdict returns what the finding alone makes of its object.
func (f *Finding) Verdict() Verdict {
	switch {
	case f.Unknown != "" && f.Mode == ModeEnforce:
		return VerdictUnknown
	case f.Exempted():
		return VerdictAllow
	case f.Tolerated != "":
		return min(f.Mode.Verdict(), VerdictWarn)
	}
	return f.Mode.Verdict()
}

// Worst returns the largest Verdict of findings, and VerdictAllow for none.
func Worst(findings []Finding) Verdict {
	worst := VerdictAllow
	for i := range findings {
		worst = max(worst, findings[i].Verdict())
	}
	return worst
}

// ParseVerdict accepts allow, warn, unknown and deny.
func ParseVerdict(s string) (Verdict, error) {
	for verdict, name := range verdictNames {
		if name == s {
			return verdict, nil
		}
	}
	return 0, fmt.Errorf("unknown verdict %q: use allow, warn, unknown or deny", s)
}

func (v Verdict) String() string {
	if name, ok := verdictNames[v]; ok {
		return name
	}
	return fmt.Sprintf("Verdict(%d)", int(v))
}

// MarshalText writes the verdict's name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText accepts what ParseVerdict accepts.
func (v *Verdict) UnmarshalText(text []byte) error {
	verdict, err := ParseVerdict(string(text))
	if err != nil {
		return err
	}
	*v = verdict
	return nil
}
