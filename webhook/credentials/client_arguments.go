package credentials

import (
	"slices"
	"strings"
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
	for _, f := range c.flags {
		for i, word := range words {
			rest, ok := strings.CutPrefix(word, f.name)
			switch {
			case !ok || i < first:
			case rest == "" && f.form != joined && i+1 < len(words):
				if secretPart(words[i+1], f.separator) && !strings.HasPrefix(words[i+1], "-") {
					at = append(at, i+1)
				}
			case strings.HasPrefix(rest, "="):
				if secretPart(rest[1:], f.separator) {
					at = append(at, i)
				}
			case f.form != separate && rest != "" && (rest[0] != '-' || len(rest) > 8):
				if secretPart(rest, f.separator) {
					at = append(at, i)
				}
			}
		}
	}
	switch {
	case c.argument.nth > 0:
		if i, ok := c.argument.in(words); ok && secretPart(words[i], "") {
			at = append(at, i)
		}
	case c.connectString:
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

// in returns the index of the argument in the words behind a program, and whether it is there.
func (a *argument) in(words []string) (int, bool) {
	first, ok := a.begin(words)
	if !ok {
		return 0, false
	}
	n := 0
	for i := first; i < len(words); i++ {
		if strings.HasPrefix(words[i], "-") && words[i] != "-" {
			if len(words[i]) > 3 && a.shortFlags == "" && !strings.Contains(words[i], "=") {
				i++ // the flag's value
			}
			continue
		}
		if a.nth == 1 && strings.Contains(words[i], "=") {
			return 0, false
		}
		if n++; n == a.nth {
			return i, true
		}
	}
	return 0, false
}

// begin returns where the arguments begin, and whether the words have what identifies the command.
func (a *argument) begin(words []string) (int, bool) {
	if a.shortFlags != "" {
		return 0, slices.ContainsFunc(words, a.hasFlags)
	}
	first := 0
	for want := range strings.FieldsSeq(a.after) {
		i := slices.IndexFunc(words[first:], func(word string) bool { return strings.EqualFold(word, want) || strings.HasSuffix(word, "."+want) })
		if i < 0 {
			return 0, false
		}
		first += i + 1
	}
	return first, true
}

// hasFlags reports whether a word combines the short flags, and none of the others: -b, or -nb.
func (a *argument) hasFlags(word string) bool {
	if len(word) < 2 || word[0] != '-' || word[1] == '-' || strings.ContainsAny(word, a.otherFlags) {
		return false
	}
	for i := range len(a.shortFlags) {
		if strings.IndexByte(word, a.shortFlags[i]) < 0 {
			return false
		}
	}
	return true
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
