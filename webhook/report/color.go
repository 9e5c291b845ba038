package report

// palette colors text for a terminal, if it is on.
type palette struct{ on bool }

func (p palette) red(text string) string    { return p.paint("31;1", text) }
func (p palette) yellow(text string) string { return p.paint("33", text) }
func (p palette) bold(text string) string   { return p.paint("1", text) }

func (p palette) paint(code, text string) string {
	if !p.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
