package credentials

import "strings"

// inScript finds credentials in a shell command.
func inScript(script string) []Match {
	t := &text{raw: script, low: lower(script)}
	if hasClue(script) {
		for _, m := range Text("", script) {
			t.add(m, 0)
		}
		t.findWords(t.findInScript(script, 0))
	}
	return t.matches()
}

// findWords searches each argument of commands as a text, and finds the values of short flags.
func (t *text) findWords(all []command) {
	looked := 0
	for _, c := range all {
		for i, word := range c.words {
			if i > 0 && looked < maxCandidates && strings.ContainsAny(word, " \t\n:=") {
				looked++
				for _, m := range Text("", word) {
					t.add(m, c.at[i])
				}
			}
			if flag, ok := flagName(word); ok && i+1 < len(c.words) && !strings.HasPrefix(word, "--") && isFlagValue(flag, c.words[i+1]) {
				t.add(Match{Detector: "flag", What: described("")}.downgradeWords(c.words[i+1]), c.at[i])
			}
		}
	}
}

// Word is a credential in a command line.
type Word struct {
	Match
	// Index is the index of the word that completes it.
	Index int
}

// Words finds credentials in a command line: command and args of a container, or the command of a probe. It
// stops early once stopped returns true; stopped may be nil.
func Words(words []string, stopped func() bool) (all []Word) {
	if len(words) == 0 {
		return nil
	}
	type key struct {
		index int
		what  string
	}
	seen := map[key]bool{}
	add := func(index int, m Match) {
		if k := (key{index, m.What}); !seen[k] {
			seen[k] = true
			all = append(all, Word{m, index})
		}
	}
	shell := false
	for i, word := range words {
		if stopped != nil && stopped() {
			return all
		}
		if i > 0 {
			if flag, ok := flagName(words[i-1]); ok && isFlagValue(flag, word) {
				m := Match{Detector: "flag", Name: lower(flag), What: described(""), Line: 1}
				if strings.HasPrefix(words[i-1], "--") {
					m.What = described(flag)
				}
				add(i, m.downgradeWords(word))
				continue
			}
		}
		find := func(text string) []Match { return Text("", text) }
		if shell && i > 0 && isCommandFlag(words[i-1]) {
			find = inScript
		}
		for _, m := range find(word) {
			add(i, m)
		}
		shell = shell || shells[program(word)]
	}
	for _, g := range findArguments(words) {
		add(g.index, g.match())
	}
	return all
}

// Follows reports whether a word of a command line is the literal value of the flag before it, and returns the
// flag.
func Follows(before, word string) (flag string, ok bool) {
	flag, ok = flagName(before)
	return flag, ok && !strings.HasPrefix(word, "-") && Plain(flag, word)
}

var shells = set("sh", "bash", "ash", "dash", "zsh", "ksh", "busybox")

// isCommandFlag reports whether a word is -c, -ec, -lc or the like.
func isCommandFlag(word string) bool {
	return len(word) > 1 && len(word) < 8 && word[0] == '-' && word[1] != '-' && strings.HasSuffix(word, "c")
}
