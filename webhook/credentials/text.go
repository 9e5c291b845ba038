package credentials

import (
	"slices"
	"sort"
	"strings"
)

// text is the text to search, with the matches found so far.
type text struct {
	// file is the name of the file, or of the value.
	file string
	// raw is the text itself. low is the same in lower case, byte for byte.
	raw, low string
	found    []hit
}

type hit struct {
	Match
	at int
}

func (t *text) add(m Match, at int) { t.found = append(t.found, hit{m, at}) }

// maxFound limits how many matches of one text are reported.
const maxFound = 200

// matches returns the matches in the order of the text, without duplicates of a name and description.
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

// Value finds credentials in the value of an env entry, a header or a key of a ConfigMap.
func Value(name, value string) []Match {
	if m, ok := named(name, value); ok {
		return []Match{m}
	}
	return Text(name, value)
}

// Text finds credentials in a value, a script or a file. The name of the file may be empty.
func Text(file, content string) []Match {
	if !hasClue(content) && !isPasswordFile(file) {
		return nil
	}
	t := &text{file: file, raw: content, low: lower(content)}
	findShapes(t)
	findAssignments(t)
	findFlags(t)
	findAuthorizationHeaders(t)
	findURLPasswords(t)
	findGrammarValues(t)
	findNameValuePairs(t)
	findSettings(t)
	findFileFormats(t)
	findVariableDefaults(t)
	findCommands(t)
	return t.matches()
}

// hasClue reports whether a text contains anything that a detector searches for. Most values do not.
func hasClue(content string) bool {
	if len(content) > 4096 {
		return true
	}
	if len(content) < 4 {
		return false
	}
	return clueIn.anyIn(lower(content))
}

var clueIn = newClueIndex(clues)

// clues lists substrings, in lower case. A text without any of them contains no credential.
var clues = []string{
	"pass", "pwd", "pw", "secret", "token", "key", "cred", "auth", "bearer ", "basic ", "psk", "salt", "encrypt", "securestring", "loginmodule", "+@", "createuser", "sqp_", "squ_", "sqa_", "ik_", "mk_", "aqa", "aqb", "aqc", "aqd", `"d"`, `"k"`, "identified by", "@tcp(", "://", "machine ", "webhook", "sig=", "signature=",
	" -", "\t-", "\n-", "-----begin", "putty", "ls0tls1", "eyj", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat", "glpat-", "glrt-", "gldt-", "glptt-", "glcbt-",
	"glsa_", "glc_", "xox", "xapp", "sk_", "rk_", "sk-", "whsec_", "aiza", "gocspx", "npm_", "pypi", "dckr", "hf_", "sg.", "hvs.", "hvb.", "dop_v1", "doo_v1", "shpat", "shpss", "shpca", "dapi", "lin_api", "atatt3", "atlasv1", "nrak",
	":aa", "rabbitmqctl", "kinit", "sqlplus", "sqlldr", "on >", ":5432:", "cache_peer", "vault ", "bao ", "snyk ", "ngrok ", "hooks.zapier", "maker.ifttt", "events.pagerduty", "api.telegram", "/bot/",
}

// isPasswordFile reports whether the name of a file shows that it contains passwords.
func isPasswordFile(file string) bool {
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

// fileClues lists substrings of the names of such files.
var fileClues = []string{"rc", "pass", "secrets", "keys", "users", "realm", "snmp"}

// line returns the line up to a position, long enough to contain any name. A longer line is cut at its
// beginning.
func (t *text) line(at int) string {
	from := max(0, at-300)
	if i := strings.LastIndexByte(t.low[from:at], '\n'); i >= 0 {
		from += i + 1
	}
	return t.low[from:at]
}

// lineEnd returns the end of the line at a position, or 400 bytes further on.
func (t *text) lineEnd(at int) int {
	end := min(len(t.raw), at+400)
	if i := strings.IndexByte(t.raw[at:end], '\n'); i >= 0 {
		return at + i
	}
	return end
}

// isCommentOrReference reports whether a line is a comment, or uses a variable by its name.
func isCommentOrReference(line, right string) bool {
	return comment.MatchString(line) || use.MatchString(line) && !(sigil.MatchString(line) && sigilValue.MatchString(right)) || templateCall.MatchString(line) && closes(right)
}

// closes reports whether a template's call ends on the line, if that is known.
func closes(right string) bool {
	line, _, _ := strings.Cut(right, "\n")
	return right == "" || strings.Contains(line, "}}")
}

var (
	comment = re(`^\s*(?:#|;|//\s|//[^/]*$|/\*|\*|--\s|<!--|rem\s)`)
	// An assignment to a variable in PHP, Perl or PowerShell.
	sigil      = re(`^\s*(?:(?:my|our|const|private|protected|public|static|var)\s+)?\$[a-z0-9_:]*$`)
	sigilValue = re(`^[a-z0-9_]*\s*=\s*["']`)
	// A variable, a provider's variable such as ${secrets:…}, or an attribute in the URI of a cryptographic
	// token.
	use = re(`(?:pkcs11:\S*[:;]|arn:aws[a-z-]*:secretsmanager:[a-z0-9:-]*|\$[{(]?[a-z0-9_.\-]*|\$\{[a-z0-9_]+:[^\s{}"']*)$`)
	// A call in a template.
	templateCall = re(`\{\{-?\s*[a-z_.($][^{}]*$`)
)

// IsFile reports whether a text has several lines. It is then treated as a file, whatever its name.
func IsFile(text string) bool { return strings.Contains(strings.TrimSpace(text), "\n") }
