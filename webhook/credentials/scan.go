package credentials

import (
	"slices"
	"sort"
	"strings"
)

// text is what is searched, with what was found in it so far.
type text struct {
	// file is the name of the file, or of the value.
	file string
	// raw is the text itself, and low the same in lower case, byte for byte.
	raw, low string
	found    []hit
}

type hit struct {
	Match
	at int
}

func (t *text) add(m Match, at int) { t.found = append(t.found, hit{m, at}) }

// maxFound is how many matches of one text are told.
const maxFound = 200

// matches are those that were found, one of each name and description, in the order of the text.
func (t *text) matches() []Match {
	sort.SliceStable(t.found, func(i, j int) bool { return t.found[i].at < t.found[j].at })
	byKind := map[[2]string]int{}
	var all []Match
	line, counted := 1, 0
	for _, h := range t.found {
		key := [2]string{h.Name, h.What}
		if i, seen := byKind[key]; seen {
			if all[i].Likely && !h.Likely {
				all[i].Likely, all[i].Detector = false, h.Detector
			}
			continue
		}
		if len(all) == maxFound {
			break
		}
		line += strings.Count(t.raw[counted:h.at], "\n")
		counted = h.at
		h.Line = line
		byKind[key] = len(all)
		all = append(all, h.Match)
	}
	return all
}

// Value finds what the value of an env entry, a header or a key of a ConfigMap holds.
func Value(name, value string) []Match {
	if m, ok := named(name, value); ok {
		return []Match{m}
	}
	return Text(name, value)
}

// Text finds what a value, a script or a file holds. The name of the file may be empty.
func Text(file, content string) []Match {
	if !suspicious(content) && !telltale(file) {
		return nil
	}
	t := &text{file: file, raw: content, low: lower(content)}
	shaped(t)
	assigned(t)
	flagged(t)
	authorized(t)
	addressed(t)
	marked(t)
	paired(t)
	spaced(t)
	stored(t)
	defaulted(t)
	commanded(t)
	return t.matches()
}

// suspicious reports whether a text has anything in it that a detector looks for. Most values have not.
func suspicious(content string) bool {
	if len(content) > 4096 {
		return true
	}
	if len(content) < 4 {
		return false
	}
	low := lower(content)
	for i := range len(low) {
		for _, clue := range cluesFrom[low[i]] {
			if strings.HasPrefix(low[i:], clue) {
				return true
			}
		}
	}
	return false
}

// cluesFrom has the clues by their first byte: looking for one after another would go through a text a hundred times.
var cluesFrom = func() (from [256][]string) {
	for _, clue := range clues {
		from[clue[0]] = append(from[clue[0]], clue)
	}
	return from
}()

// clues, in lower case, are what every text has one of in which something can be found.
var clues = []string{
	"pass", "pwd", "pw", "secret", "token", "key", "cred", "auth", "bearer ", "basic ", "psk", "salt", "encrypt", "securestring", "loginmodule", "+@", "createuser", "sqp_", "squ_", "sqa_", "ik_", "mk_", "aqa", "aqb", "aqc", "aqd", `"d"`, `"k"`, "identified by", "@tcp(", "://", "machine ", "webhook", "sig=", "signature=",
	" -", "\t-", "\n-", "-----begin", "putty", "ls0tls1", "eyj", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat", "glpat-", "glrt-", "gldt-", "glptt-", "glcbt-",
	"glsa_", "glc_", "xox", "xapp", "sk_", "rk_", "sk-", "whsec_", "aiza", "gocspx", "npm_", "pypi", "dckr", "hf_", "sg.", "hvs.", "hvb.", "dop_v1", "doo_v1", "shpat", "shpss", "shpca", "dapi", "lin_api", "atatt3", "atlasv1", "nrak",
	":aa", "rabbitmqctl", "kinit", "sqlplus", "sqlldr", "on >", ":5432:", "cache_peer", "vault ", "bao ", "snyk ", "ngrok ", "hooks.zapier", "maker.ifttt", "events.pagerduty", "api.telegram", "/bot/",
}

// telltale reports whether the name of a file says that it is one of passwords.
func telltale(file string) bool {
	if !slices.ContainsFunc(fileClues, func(clue string) bool { return strings.Contains(file, clue) }) {
		return false
	}
	for i := range formats {
		if f := formats[i].files; f != nil && f.MatchString(file) {
			return true
		}
	}
	return false
}

// fileClues are what the names of such files have one of.
var fileClues = []string{"rc", "pass", "secrets", "keys", "users", "realm", "snmp"}

// line is the line up to a position, far enough back for any name. A longer line is taken from its middle.
func (t *text) line(at int) string {
	from := max(0, at-300)
	if i := strings.LastIndexByte(t.low[from:at], '\n'); i >= 0 {
		from += i + 1
	}
	return t.low[from:at]
}

// lineEnd is where the line of a position ends, or 400 bytes further on.
func (t *text) lineEnd(at int) int {
	end := min(len(t.raw), at+400)
	if i := strings.IndexByte(t.raw[at:end], '\n'); i >= 0 {
		return at + i
	}
	return end
}

// aside reports a line that is a comment, or that uses a variable by its name.
func aside(line, right string) bool {
	return comment.MatchString(line) || use.MatchString(line) && !(sigil.MatchString(line) && sigilValue.MatchString(right)) || templateCall.MatchString(line) && closes(right)
}

// closes reports whether what a template calls ends on the line, if that is known.
func closes(right string) bool {
	line, _, _ := strings.Cut(right, "\n")
	return right == "" || strings.Contains(line, "}}")
}

var (
	comment = re(`^\s*(?:#|;|//\s|//[^/]*$|/\*|\*|--\s|<!--|rem\s)`)
	// A variable of PHP, Perl or PowerShell that is given a text.
	sigil      = re(`^\s*(?:(?:my|our|const|private|protected|public|static|var)\s+)?\$[a-z0-9_:]*$`)
	sigilValue = re(`^[a-z0-9_]*\s*=\s*["']`)
	// A variable, one of a provider such as ${secrets:…}, or an attribute of what is in a cryptographic token.
	use = re(`(?:pkcs11:\S*[:;]|arn:aws[a-z-]*:secretsmanager:[a-z0-9:-]*|\$[{(]?[a-z0-9_.\-]*|\$\{[a-z0-9_]+:[^\s{}"']*)$`)
	// What a template calls.
	templateCall = re(`\{\{-?\s*[a-z_.($][^{}]*$`)
)

// IsFile reports whether a text has several lines. It is then a file, whatever its name.
func IsFile(text string) bool { return strings.Contains(strings.TrimSpace(text), "\n") }
