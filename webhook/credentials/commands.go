package credentials

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// readsPasswordFromStdin reports whether a command reads a password from its input: echo x | docker login --password-stdin.
func readsPasswordFromStdin(words []string) bool {
	for _, word := range words {
		switch program(word) {
		case "chpasswd", "--password-stdin", "--stdin", "--with-token", "--passphrase-fd", "kinit":
			return true
		}
	}
	return len(words) > 1 && program(words[0]) == "sudo" && slices.Contains(words[:2], "-S")
}

// isPipedPassword reports whether echo pipes a literal into a program that reads a password from its input.
func isPipedPassword(c, next command) bool {
	if !c.piped || !readsPasswordFromStdin(next.words) || len(c.words) < 2 {
		return false
	}
	switch program(c.words[0]) {
	case "echo", "printf":
		return isPasswordInput(c.words[len(c.words)-1], next.words)
	}
	return false
}

// isPasswordInput reports whether a program reads the literal as a password. chpasswd expects a user name before it.
func isPasswordInput(value string, words []string) bool {
	if slices.ContainsFunc(words, func(word string) bool { return program(word) == "chpasswd" }) {
		return secretPart(value, ":")
	}
	return secretPart(value, "") && !strings.Contains(value, "%s")
}

// findCommands finds passwords in the arguments of programs, in lines of a text that may be commands.
func findCommands(t *text) {
	for from := 0; from < len(t.raw); {
		end := from
		for { // a backslash continues the line
			i := strings.IndexByte(t.raw[end:], '\n')
			if i < 0 {
				end = len(t.raw)
				break
			}
			end += i
			if end == from || t.raw[end-1] != '\\' || end-from > maxCommand {
				break
			}
			end++
		}
		for line := t.raw[from:end]; line != ""; {
			part := line[:min(len(line), maxCommand)]
			if i := strings.LastIndexByte(part, ' '); i > 0 && len(part) < len(line) {
				part = part[:i]
			}
			if mentionsProgram(part) {
				t.findInScript(part, from)
			}
			from, line = from+len(part), line[len(part):]
		}
		from = end + 1
	}
}

// mentionsProgram reports whether a line contains the name of a known program.
func mentionsProgram(line string) bool {
	for from := 0; from < len(line); {
		base, end := from, from
		for ; end < len(line) && !endsWord[line[end]]; end++ {
			if line[end] == '/' || line[end] == '\\' {
				base = end + 1
			}
		}
		if base < end && beginsProgram[line[base]] && byProgram[program(line[base:end])] != nil {
			return true
		}
		from = end + 1
	}
	return strings.Contains(line, "chpasswd") || strings.Contains(line, "kinit") || strings.Contains(line, "config set ")
}

// endsWord has the bytes between the words of a command.
var endsWord = func() (all [256]bool) {
	for _, c := range []byte(" \t;|&()\"'`\r") {
		all[c] = true
	}
	return all
}()

// beginsProgram has the first bytes of the names of programs.
var beginsProgram = func() (all [256]bool) {
	for program := range byProgram {
		all[program[0]] = true
	}
	return all
}()

// findInScript finds passwords in the commands of a script, and returns the commands.
func (t *text) findInScript(script string, offset int) []command {
	if comment.MatchString(script[:min(len(script), 200)]) && !strings.Contains(script, "\n") && !strings.HasPrefix(script, "#!") {
		return nil
	}
	t.findSubstitutions(script, offset)
	all := parseShell(script)
	for i, c := range all {
		t.findProgramArguments(c, offset)
		t.findHereString(c, offset)
		if i+1 < len(all) {
			t.findPiped(c, all[i+1], offset)
		}
		t.findQuoted(c, offset)
	}
	return all
}

// findProgramArguments finds what the programs in a command take as a password.
func (t *text) findProgramArguments(c command, offset int) {
	for _, g := range findArguments(c.words) {
		t.add(g.match(), offset+c.at[g.index])
	}
}

// findHereString finds a password that <<< passes to a program.
func (t *text) findHereString(c command, offset int) {
	if c.here > 0 && c.here < len(c.words) && readsPasswordFromStdin(c.words[:c.here]) && isPasswordInput(c.words[c.here], c.words[:c.here]) {
		t.add(Match{Detector: "client", What: "a password for " + program(c.words[0])}, offset+c.at[c.here])
	}
}

// findPiped finds a password that a command pipes into the next one.
func (t *text) findPiped(c, next command, offset int) {
	if isPipedPassword(c, next) {
		t.add(Match{Detector: "client", What: "a password for " + program(next.words[0])}, offset+c.at[0])
	}
}

// findQuoted finds passwords in commands that a command has in quotes.
func (t *text) findQuoted(c command, offset int) {
	for i, word := range c.words {
		if i > 0 && strings.ContainsAny(word, " \t") && mentionsProgram(word) && !prints[program(c.words[0])] {
			t.findInCommand(word, offset+c.at[i])
		}
	}
}

// prints lists the programs whose arguments are prose.
var prints = set("echo", "printf", "logger", "log", "say")

// findSubstitutions searches commands in $( ) and between backticks.
func (t *text) findSubstitutions(script string, offset int) {
	for from, n := 0, 0; n < maxSubstitutions; n++ {
		at := strings.IndexAny(script[from:], "$`")
		if at < 0 {
			return
		}
		from += at + 1
		length := 0
		switch {
		case script[from-1] == '`':
			length = strings.IndexByte(script[from:], '`')
		case strings.HasPrefix(script[from:], "("):
			length = balanced(script[from:])
		}
		if length > 1 {
			t.findInCommand(strings.Trim(script[from:from+length], "()"), offset+from)
		}
	}
}

// maxSubstitutions limits how many substitutions of a command are searched.
const maxSubstitutions = 50

// findInCommand searches a command within another one, whose end is not known.
func (t *text) findInCommand(script string, at int) {
	if len(script) > maxCommand || !mentionsProgram(script) {
		return
	}
	for _, c := range parseShell(script) {
		for _, g := range findArguments(c.words) {
			t.add(g.match(), at)
		}
	}
}

// flagName returns the name of the flag that a word is, if any.
func flagName(word string) (string, bool) {
	name := strings.TrimLeft(word, "-")
	dashes := len(word) - len(name)
	return name, name != "" && (dashes == 1 || dashes == 2) && isLetter(name[0]) && strings.IndexFunc(name, isNoFlag) < 0
}

func isLetter(c byte) bool { return 'a' <= c|' ' && c|' ' <= 'z' }

// isNoFlag reports a character that the name of a flag never has.
func isNoFlag(c rune) bool {
	return c >= utf8.RuneSelf || !isLetter(byte(c)) && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-'
}

func isFlagValue(flag, value string) bool {
	return !strings.HasPrefix(value, "-") && isCredentialFlag(flag, value) && Plain(flag, value)
}
