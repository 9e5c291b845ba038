package credentials

import (
	"regexp"
	"strings"
)

// noun is a word that may end the name of a credential, with a pattern for what follows it.
type noun struct {
	word string
	// rest matches the end of the name, followed by something that may be a value. It rejects most mentions.
	rest *regexp.Regexp
}

var nouns = func() []noun {
	const follows = `(?:[_.-]?(?:[0-9]{1,2}|value|plain|plaintext|b64|base64|data|content|pem|id)|[_.-](?:prod|production|staging|stage|dev|test|live|old|primary|secondary)){0,2}` +
		`(?:[\\"'\]]{0,3}[ \t]*(?:=>|:=|[:=])[ \t]*\\?(?:"""|["'])?(?:[^\s"'$<{\[(|*!%\x60]|$)|[ \t]+=[ \t]+\x60|["']?:[ \t]*\x60|>[^<$\s]|[ \t]+'|\\?["'][ \t]*,[ \t]*\\?["'])`
	var all []noun
	for _, n := range [][2]string{
		{"pass", `(?:w(?:or)?ds?|phrases?|codes?)?`}, {"pwd", ""}, {"pw", ""}, {"secret", ""}, {"token", ""},
		{"key", `(?:s|[_.-]?base)?`}, {"cred", `(?:entials?|s)?`}, {"_auth", ""}, {"psk", ""}, {"authtok", ""}, {"salt", ""},
	} {
		all = append(all, noun{n[0], re("^" + n[1] + follows)})
	}
	return all
}()

// Limits of how many mentions of a noun are examined, and how many of those that may have a value.
const (
	maxMentions   = 5000
	maxCandidates = 1000
)

// findAssignments finds values assigned to a name, in files and scripts of any language: password: x, db.password=x,
// "apiKey": "x", <password>x</password>, define('DB_PASSWORD', 'x').
func findAssignments(t *text) {
	for i := range nouns {
		n := &nouns[i]
		candidates := 0
		for m := mentionsOf(t.low, n.word, maxMentions); candidates < maxCandidates && m.next(); {
			if !n.rest.MatchString(t.low[m.end:min(len(t.low), m.end+120)]) {
				continue
			}
			line := t.line(m.at)
			if n.word == "key" && !keyed.MatchString(line[max(0, len(line)-24):]) || n.word == "pw" && strings.HasPrefix(t.low[m.end:], "d") {
				continue
			}
			candidates++
			t.addAssignment(n, m.at, line)
		}
	}
}

// keyed matches the prefix of a key that unlocks something. Most other keys are not credentials.
var keyed = re(`(?:api|access|secret|private|encrypt|encryption|signing|auth|master|account|admin|license|licence|unseal|fernet|hmac|deploy|jwt|cookie|client|storage|shared|preshared|session|app|batch|webhook|routing|integration|service|primary|secondary)[_.-]?$`)

func (t *text) addAssignment(n *noun, at int, line string) {
	after := at + len(n.word)
	right := t.low[after:min(len(t.low), after+300)]
	if isCommentOrReference(line, right) {
		return
	}
	beginning := nameEnd.FindString(line)
	ending, value, offset, ok := assignment(beginning, right)
	if !ok {
		return
	}
	whole := bare(beginning) + n.word + ending
	// Capital letters separate words.
	c := nameOf(t.raw[after-len(whole)+len(ending) : after+len(ending)])
	if c == unnamed || mounted.MatchString(right) || isQuerySelector(n.word, line, right) || isCallArgument(line, right) {
		return
	}
	original := t.raw[after+offset : after+offset+len(value)]
	value = strings.TrimRight(value, `\`)
	original = original[:len(value)]
	if isPlaceholder(value) || namesSecret(whole, original) || repeatsName(whole, original) || t.isLabel(original) || foreign.MatchString(value) || strings.HasPrefix(beginning, "-") && isUsagePlaceholder(whole, original) {
		return
	}
	m := Match{Detector: "assignment", Name: presentable(line, whole)}
	switch c {
	case vendor, opaque:
		if !isRandomFor(lower(whole), original) {
			return
		}
		m.Detector, m.Likely = "assignment of a random value", c == opaque
	case likely:
		m.Detector, m.Likely = "assignment, noun first", true
	case certain:
		if low := lower(whole); authNames.MatchString(low) && !certainNames.MatchString(low) && !isAuth(low, original) {
			return
		}
	case unnamed:
	}
	m.What = described(m.Name)
	// A value in backquotes may be code, and one after a blank may be prose.
	m.Likely = m.Likely || t.raw[after+offset-1] == '`' || n.word == "token" && loose.MatchString(right)
	t.add(m.downgradeWords(original), at)
}

// mounted matches the name of a secret with options about its source: --secret=db,type=env.
var mounted = re(`^=[a-z0-9_.-]+,(?:type|src|source|target|env|mode|uid|id)=`)

var (
	nameEnd = re(`[a-z0-9_.\-]*$`)
	foreign = re(`[^ -~]`) // a label of a user interface, in another language
)

var (
	quoted  = re(`^([a-z0-9_.\-]*)(?:[\\"']{0,2}\]?[ \t]*(?:=>|:=|[:=])[ \t]*(?:"""([!#-~]+)"""|\\?"([!#-~]+)(?:"|$)|'([!-&(-~]+)(?:'|$)|([0-9]+)[ \t]*,)|>([!-;=-~]+)</|[ \t]+'([!-&(-~]+)'|\\?["'][ \t]*,[ \t]*(?:"([!#-~]+)"|'([!-&(-~]+)')[ \t]*\))`)
	bareEnd = re(`^([a-z0-9_.\-]*)(?:\]?:?=([^\s"'=~,;&|<>(){}\[\]\x60\\][^\s"',;&|<>(){}\[\]\x60]*)(?:[\s"',;&|<>)}\]\x60]|$)|[\\"']{0,2}\]?[ \t]*(?:=>|:=|[:=])[ \t]*([^\s"'=~,;&|<>(){}\[\]\x60\\][^\s"',;(){}\[\]\x60]*)[ \t]*(?:\r?(?:\n|$|[#}]|//)|,"))`)
	// longElement matches the text of an element that is longer than what is examined.
	longElement = re(`^([a-z0-9_.\-]*)>([!-;=-~]{200,})$`)
	// ticked matches a value in backquotes, as in Go, JavaScript, Markdown and Gitea. In a shell, backquotes
	// contain a command.
	ticked = re(`^([a-z0-9_.\-]*)(?:[ \t]+=[ \t]+|["']?:[ \t]*)\x60([!-_a-~]{6,})\x60`)
	loose  = re(`^[a-z]*[ \t]+'`)
	psql   = re(`^[a-z]*[ \t]+:["']`) // a psql variable: PASSWORD :'reader_password'
)

// assignment returns the rest of a name, and its value with the offset of the value. An unquoted value ends at
// a blank after "=", as in a shell, but must be the rest of the line after ":" or " = ", or prose would match.
// A value followed by a bracket is a function call.
func assignment(beginning, right string) (ending, value string, offset int, ok bool) {
	if at := quoted.FindStringSubmatchIndex(right); at != nil && !psql.MatchString(right) {
		for i := 4; i < len(at); i += 2 {
			if at[i] >= 0 {
				return right[at[2]:at[3]], right[at[i]:at[i+1]], at[i], true
			}
		}
	}
	if at := longElement.FindStringSubmatchIndex(right); at != nil {
		return right[at[2]:at[3]], right[at[4]:at[5]], at[4], true
	}
	if at := ticked.FindStringSubmatchIndex(right); len(at) > 0 && strings.ContainsAny(right[at[4]:at[5]], "0123456789") {
		return right[at[2]:at[3]], right[at[4]:at[5]], at[4], true
	}
	at := bareEnd.FindStringSubmatchIndex(right)
	if at == nil {
		return "", "", 0, false
	}
	begin, end := at[4], at[5]
	if begin < 0 {
		begin, end = at[6], at[7]
	}
	value = right[begin:end]
	if isVariable(beginning, value) || isProse(beginning, right) {
		return "", "", 0, false
	}
	return right[at[2]:at[3]], value, begin, true
}

var (
	ownField = re(`^(?:self|this)\.`)
	variably = re(`^(?:[a-z_]+\.)+[a-z_]+$|^[a-z][a-z_]*_(?:password|passphrase|passwd|pass|pwd|token|secret|key|credentials)$`)
)

// isVariable reports whether the value is a variable of a program, which is never quoted: self.password = password,
// token: user.token, secret = default_secret.
func isVariable(beginning, value string) bool {
	return ownField.MatchString(beginning) || variably.MatchString(value)
}

var (
	inQuery   = re(`[a-z0-9_:]\{[^{}]*$`)
	queryEnd  = re(`^[a-z0-9_]*=~?\\?["']`)
	inCall    = re(`[a-z0-9_]\((?:[^"'()]|"[^"]*"|'[^']*')*$`)
	callEnd   = re(`^[a-z0-9_]*=[a-z_.]+[,)]`)
	ownLine   = re(`^\s+[a-z0-9_]*$`)
	ownEnd    = re(`^[a-z0-9_]*=[a-z_.]+,[ \t]*\r?(?:\n|$)`)
	proseLine = re(`^[a-z0-9_.\-]*=\S+[ \t]+\S`)
)

// isQuerySelector reports whether a metrics query selects by the name: kube_secret_info{namespace="shop",secret="tls"}.
func isQuerySelector(word, line, right string) bool {
	return (word == "secret" || word == "token") && inQuery.MatchString(line) && queryEnd.MatchString(right)
}

// isCallArgument reports whether the value is a variable passed to a call: connect(user=user, password=password).
func isCallArgument(line, right string) bool {
	return inCall.MatchString(line) && callEnd.MatchString(right) || ownLine.MatchString(line) && ownEnd.MatchString(right)
}

// isProse reports whether the value is a message in a file of messages: error.password=Wrong password. A shell
// would end the value at a blank, but shell variables have no dots in their names.
func isProse(beginning, right string) bool {
	return strings.Contains(beginning, ".") && !strings.HasPrefix(beginning, "-") && proseLine.MatchString(right)
}

var (
	label     = re(`^(?:[A-Z][a-z]*|PIN|API|SSH|JWT)(?:[ -](?:[A-Za-z][a-z]*|API|SSH))*[:*?!.]?$`)
	labelNoun = re(`(?i)^(?:(?:pass(?:word|code|phrase)|secret|token|(?:api|access|private|secret|ssh|licen[cs]e)?[ -]?key|credentials?|pin)s?)$`)
	messages  = re(`(?i)(?:^|[/_.-])(?:messages?|strings|translations?|locales?|i18n|l10n|lang(?:uage)?s?|labels)(?:[_.-].*)?\.(?:json|properties|ya?ml|po|xml|js|ts|arb|ini|toml|resx|strings)$|^(?:en|de|fr|es|it|pt|nl|sv|da|fi|no|nb|nn|pl|cs|sk|hu|ro|bg|ru|uk|el|tr|ar|he|fa|hi|bn|th|vi|id|ms|ja|ko|zh|lt|lv|et|sl|hr|sr|ca|eu|gl)(?:[_-][A-Za-z]{2,4})?\.(?:json|ya?ml|properties|po|js|ts|arb|toml|ini|xml|strings)$|\.(?:po|arb|resx|strings|ftl)$`)
	spoken    = re(`^[A-Za-z][A-Za-z '’,.:!?*()-]*$`)
)

// isLabel reports whether the value is text of a user interface: the noun itself, capitalized, or any words in a
// file of messages.
func (t *text) isLabel(value string) bool {
	if label.MatchString(value) && labelNoun.MatchString(strings.TrimRight(value, ":*?!.")) {
		return true
	}
	return spoken.MatchString(value) && messages.MatchString(t.file)
}

var javaProperty = re(`^-d[a-z0-9_\-]+\.`)

// bare returns the beginning of a name, without the prefix that makes it a flag or a Java property.
func bare(beginning string) string {
	if javaProperty.MatchString(beginning) {
		return beginning[2:]
	}
	return strings.TrimLeft(beginning, "-.")
}

var presentably = re(`(?:^\s*(?:-\s)?[\s"'<{,\\]*(?:--|(?:export|set|env|-e)\s+)?|[{,]\s*\\?["']|\s--)(?:[a-z0-9_.][a-z0-9_.\-]*)?$|(?:^|\s)-d[a-z0-9_\-]+\.[a-z0-9_.\-]*$`)

// presentable returns the name if it cannot be part of another value: if it begins a line, a JSON member or a
// flag.
func presentable(line, name string) string {
	if len(name) <= 80 && presentably.MatchString(line) {
		return name
	}
	return ""
}
