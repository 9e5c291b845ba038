package credentials

import "strings"

// command has the words of one shell command, without quotes, and their positions.
type command struct {
	words []string
	at    []int
	// piped reports whether the output goes to the next command.
	piped bool
	// here is the index of the word that <<< passes as input, or 0.
	here int
}

// maxCommand limits how much of a text is parsed as one command.
const maxCommand = 8192

// maxUnclosed limits how often the end of an unclosed bracket is searched for in one script.
const maxUnclosed = 50

// parseShell splits a script into commands. A $( ) stays part of its word, which then begins with a dollar, so
// that no value is taken from it.
func parseShell(script string) (all []command) {
	var c command
	var word strings.Builder
	begun, start, unclosed := false, 0, 0
	endWord := func() {
		if begun {
			c.words, c.at = append(c.words, word.String()), append(c.at, start)
		}
		word.Reset()
		begun = false
	}
	endCommand := func() {
		endWord()
		if len(c.words) > 0 {
			all = append(all, c)
		}
		c = command{}
	}
	put := func(i int, text string) {
		if !begun {
			begun, start = true, i
		}
		word.WriteString(text)
	}
	for i := 0; i < len(script); i++ {
		switch ch := script[i]; ch {
		case ' ', '\t', '\r':
			endWord()
		case '\n', ';', '&', '(', ')':
			endCommand()
		case '|':
			c.piped = true
			endCommand()
			if i+1 < len(script) && script[i+1] == '|' {
				i++
				if len(all) > 0 {
					all[len(all)-1].piped = false
				}
			}
		case '>', '<':
			endWord()
			if strings.HasPrefix(script[i:], "<<<") {
				c.here = len(c.words)
				i += 2
			}
		case '#':
			if begun {
				put(i, "#")
				continue
			}
			if end := strings.IndexByte(script[i:], '\n'); end >= 0 {
				i += end - 1
			} else {
				i = len(script)
			}
		case '\\':
			if i+1 == len(script) {
				continue
			}
			i++
			if script[i] != '\n' {
				put(i-1, script[i:i+1])
			}
		case '\'':
			end := strings.IndexByte(script[i+1:], '\'')
			if end < 0 {
				put(i, "'")
				continue
			}
			put(i, script[i+1:i+1+end])
			i += end + 1
		case '"':
			end := closing(script[i+1:])
			if end < 0 {
				put(i, `"`)
				continue
			}
			put(i, strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(script[i+1:i+1+end]))
			i += end + 1
		case '$':
			end := i + 1
			if end < len(script) && (script[end] == '(' || script[end] == '{') && unclosed < maxUnclosed {
				length := balanced(script[end:])
				if length == 1 {
					unclosed++
				}
				end = i + 1 + length
			}
			put(i, script[i:end])
			i = end - 1
		case '`':
			end := strings.IndexByte(script[i+1:], '`')
			if end < 0 {
				put(i, "`")
				continue
			}
			put(i, script[i:i+end+2])
			i += end + 1
		default:
			put(i, script[i:i+1])
		}
	}
	endCommand()
	return all
}

// closing returns the end of a text in double quotes.
func closing(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// balanced returns the length of a text from its opening bracket to the matching closing one.
func balanced(text string) int {
	depth := 0
	for i := range min(len(text), maxCommand) {
		switch text[i] {
		case '(', '{':
			depth++
		case ')', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 1
}
