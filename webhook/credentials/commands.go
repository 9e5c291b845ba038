package credentials

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// argumentMatch is a credential in the arguments of a program, with the index of the word that completes it.
type argumentMatch struct {
	index int
	what  string
	// likely marks words that may mean something else.
	likely bool
}

func (g argumentMatch) match() Match {
	if g.likely {
		return Match{Detector: "substitution", What: g.what, Likely: true, Line: 1}
	}
	return Match{Detector: "client", What: g.what, Line: 1}
}

const (
	// maxPrograms limits how many words of one command are looked up as programs.
	maxPrograms = 2000
	// maxArguments limits how many words after a program are examined.
	maxArguments = 60
)

// findArguments finds the credentials in the arguments of the programs in a command.
func findArguments(words []string) (all []argumentMatch) {
	seen := map[argumentMatch]bool{}
	for i, word := range words[:min(len(words), maxPrograms)] {
		for _, c := range byProgram[program(word)] {
			what := c.what
			if what == "" {
				what = program(word)
			}
			for _, at := range c.arguments(words[i+1 : min(len(words), i+1+maxArguments)]) {
				g := argumentMatch{index: i + 1 + at, what: "a password for " + what, likely: c.replaces}
				if c.replaces {
					g.what = "a credential"
				}
				if !seen[g] {
					seen[g] = true
					all = append(all, g)
				}
			}
		}
		at, ok := configures(words[i:min(len(words), i+maxArguments)])
		if ok && !slices.ContainsFunc(all, func(g argumentMatch) bool { return g.index == i+at }) {
			all = append(all, argumentMatch{index: i + at, what: "a credential"})
		}
	}
	return all
}

// configures finds a value that a client stores under the name of a credential: npm config set _authToken x.
func configures(words []string) (at int, ok bool) {
	if len(words) < 4 || words[1] != "set" || words[0] != "config" && words[0] != "configure" {
		return 0, false
	}
	for at = 2; at+1 < len(words) && strings.HasPrefix(words[at], "-"); at++ {
	}
	if at+1 >= len(words) || !Named(words[at]) || strings.HasPrefix(words[at+1], "-") || !secretPart(words[at+1], "") {
		return 0, false
	}
	return at + 1, true
}

// arguments returns the indices of credentials among the arguments of the client.
func (c *client) arguments(words []string) (at []int) {
	if c.replaces {
		for i, word := range words {
			if isSubstitution(word) {
				at = append(at, i)
			}
		}
		return at
	}
	first := 0
	if c.sub != "" {
		first = slices.Index(words, c.sub)
		if first < 0 {
			return nil
		}
	}
	for spec := range strings.FieldsSeq(c.flags) {
		flag, sep, _ := strings.Cut(spec, "|")
		name := strings.TrimRight(flag, "*+")
		joined, apart := flag != name, !strings.HasSuffix(flag, "*")
		for i, word := range words {
			rest, ok := strings.CutPrefix(word, name)
			switch {
			case !ok || i < first:
			case rest == "" && apart && i+1 < len(words):
				if secretPart(words[i+1], sep) && !strings.HasPrefix(words[i+1], "-") {
					at = append(at, i+1)
				}
			case strings.HasPrefix(rest, "="):
				if secretPart(rest[1:], sep) {
					at = append(at, i)
				}
			case joined && rest != "" && (rest[0] != '-' || len(rest) > 8):
				if secretPart(rest, sep) {
					at = append(at, i)
				}
			}
		}
	}
	switch {
	case c.nth > 0:
		if i, ok := c.positional(words); ok && secretPart(words[i], "") {
			at = append(at, i)
		}
	case c.nth < 0: // user/password@database
		for i, word := range words {
			if user, rest, ok := strings.Cut(word, "/"); ok && user != "" && !strings.HasPrefix(word, "-") && !strings.ContainsAny(user, ".:$@") {
				if password, _, _ := strings.Cut(rest, "@"); password != "" && secretPart(password, "") && !strings.Contains(password, "/") {
					at = append(at, i)
				}
				break
			}
		}
	}
	return at
}

// isSubstitution reports whether sed replaces the placeholder of a credential with a literal: s/__PASSWORD__/x/.
func isSubstitution(command string) bool {
	if len(command) < 6 || command[0] != 's' || strings.IndexByte("/|#,@~!:", command[1]) < 0 {
		return false
	}
	parts := strings.SplitN(command[2:], command[1:2], 4)
	if len(parts) != 3 || strings.ContainsAny(parts[1], "&\\$") || !strings.ContainsAny(parts[1], "0123456789") {
		return false
	}
	name := strings.Trim(parts[0], "_@{}<>%$^.*[]\\=:\"' ")
	return Named(name) && secretPart(parts[1], "") && !repeatsName(name, parts[1])
}

// positional returns the index of the nth word without a flag after the required words.
func (c *client) positional(words []string) (int, bool) {
	first := 0
	if strings.HasPrefix(c.after, "-") {
		if !slices.ContainsFunc(words, func(word string) bool { return bundle(word, c.after) }) {
			return 0, false
		}
	} else {
		for want := range strings.FieldsSeq(c.after) {
			i := slices.IndexFunc(words[first:], func(word string) bool { return strings.EqualFold(word, want) || strings.HasSuffix(word, "."+want) })
			if i < 0 {
				return 0, false
			}
			first += i + 1
		}
	}
	n := 0
	for i := first; i < len(words); i++ {
		if strings.HasPrefix(words[i], "-") && words[i] != "-" {
			if len(words[i]) > 3 && !strings.HasPrefix(c.after, "-") && !strings.Contains(words[i], "=") {
				i++ // the flag's value
			}
			continue
		}
		if c.nth == 1 && strings.Contains(words[i], "=") {
			return 0, false
		}
		if n++; n == c.nth {
			return i, true
		}
	}
	return 0, false
}

// bundle reports whether a word combines short flags and includes the row's: -b, or -nb.
func bundle(word, flags string) bool {
	if len(word) < 2 || word[0] != '-' || word[1] == '-' {
		return false
	}
	return strings.Contains(word, "b") && strings.Contains(word, "n") == strings.Contains(flags, "n")
}

// secretPart reports whether an argument is a literal, after the separator if there is one.
func secretPart(word, sep string) bool {
	word = strings.Trim(word, `"'`)
	if sep != "" {
		i := strings.Index(word, sep)
		if i < 0 {
			return false
		}
		word = word[i+len(sep):]
		if sep == "password=" {
			word, _, _ = strings.Cut(word, ",")
		}
	}
	return !isPlaceholder(lower(word)) && !strings.HasPrefix(word, "$") && !crypted.MatchString(word)
}

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
				t.commands(part, from, false)
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

// commands searches a script. words also searches each word as a text, for callers that do not do so
// themselves.
func (t *text) commands(script string, offset int, words bool) {
	if comment.MatchString(script[:min(len(script), 200)]) && !strings.Contains(script, "\n") && !strings.HasPrefix(script, "#!") {
		return
	}
	t.findSubstitutions(script, offset)
	all := parseShell(script)
	looked := 0
	for i, c := range all {
		for _, g := range findArguments(c.words) {
			t.add(g.match(), offset+c.at[g.index])
		}
		if c.here > 0 && c.here < len(c.words) && readsPasswordFromStdin(c.words[:c.here]) && isPasswordInput(c.words[c.here], c.words[:c.here]) {
			t.add(Match{Detector: "client", What: "a password for " + program(c.words[0])}, offset+c.at[c.here])
		}
		if i+1 < len(all) && isPipedPassword(c, all[i+1]) {
			t.add(Match{Detector: "client", What: "a password for " + program(all[i+1].words[0])}, offset+c.at[0])
		}
		for j, word := range c.words {
			if j > 0 && strings.ContainsAny(word, " \t") && mentionsProgram(word) && !prints[program(c.words[0])] {
				t.findSubstitution(word, offset+c.at[j])
			}
			if words && j > 0 && looked < maxCandidates && strings.ContainsAny(word, " \t\n:=") && len(c.words) > 1 {
				looked++
				for _, m := range Text("", word) {
					t.add(m, offset+c.at[j])
				}
			}
			if flag, ok := flagName(word); words && ok && j+1 < len(c.words) && isFlagValue(flag, c.words[j+1]) && strings.IndexByte(word, '-') == 0 && !strings.HasPrefix(word, "--") {
				t.add(Match{Detector: "flag", What: described("")}.downgradeWords(c.words[j+1]), offset+c.at[j])
			}
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
			t.findSubstitution(strings.Trim(script[from:from+length], "()"), offset+from)
		}
	}
}

// maxSubstitutions limits how many substitutions of a command are searched.
const maxSubstitutions = 50

// findSubstitution searches a command within another one, whose end is not known.
func (t *text) findSubstitution(script string, at int) {
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
