package credentials

import (
	"regexp"
	"strings"
)

// confidence is the confidence that a name is a credential's.
type confidence int

const (
	unnamed confidence = iota
	// opaque names count, as likely, if the value looks random.
	opaque
	// vendor names count if the value looks random.
	vendor
	// likely names may have another meaning.
	likely
	certain
)

// nameClue matches every name that can be a credential's. Most names do not match.
var nameClue = regexp.MustCompile(`pass|pwd|pw|secret|token|key|cred|auth|cookie|bearer|psk|webhook|salt`)

// certainNames matches names whose last noun is a credential's: DB_PASSWORD and DB_PASSWORD_PROD, but not
// PASSWORD_MIN_LENGTH, TOKEN_URL or SECRET_NAME. Rails' SECRET_KEY_BASE is one.
var certainNames = &nounNames{regexp.MustCompile(`(?:` + strings.Join([]string{
	`passw(?:or)?ds?`, `passphrases?`, `passcodes?`,
	`(?:^|[_.-]|require|master|db|user|root|admin|auth|my|sql|pg|mail|smtp|redis|ldap|bind|ssh|store|key|control)(?:pass|pwd)`, // not compass or bypass
	`(?:^|[_.-]|bind|root|admin|user|db|key|store)pw`,
	`secret`, `token`, `credentials?`, `creds`, `(?:^|[_.-]|bind)cred`, `masterauth`, `authtok`, `dev[_.-]root[_.-]token[_.-]id`, `(?:^|[_.-])bearer`,
	`(?:api|access|secret|private|encrypt(?:ion)?|signing|auth|master|account|admin|licen[cs]e|unseal|fernet|hmac|deploy|jwt|cookie|preshared|pre[_.-]shared)[_.-]?keys?`,
	`(?:^|[_.-])psk`, `service[_.-]?role[_.-]?key`,
	`(?:^|[_.-])(?:api|private|ssh|client|cli|signing|user|deploy)[_.-]?key[_.-]?(?:content|data|pem|material)`,
	`secret[_.-]?key[_.-]?base`, `erl(?:ang)?[_.-]?cookie`,
}, "|") + `)(?:[_.-]?(?:[0-9]{1,2}|value|plain|plaintext|b64|base64)|[_.-](?:prod|production|staging|stage|dev|test|live|old|primary|secondary)){0,2}(?:\.txt)?$`), []string{"password", "passwd", "secret", "token", "credential", "credentials", "creds"}}

var otherNames = ending(strings.Join([]string{
	`(?:^|[_.-])(?:pull|existing|tls|ssl|ca|cert|certificate|password|registry|image|k8s|kube|kubernetes)[_.-]?secret$`, // an object
	`pull[_.-]?secret$`, `existing[_.-]?secret$`, `password[_.-]?secret$`,
	`(?:^|[_.-])(?:eos|bos|pad|unk|mask|cls|sep|stop|start|end|special|input|output|image|audio|video)[_.-]?token$`, // a token of a language model
	`(?:^|[_.-])(?:next|page|continue|continuation|csrf|xsrf|max|min|num|per|total|id)[_.-]?token$`,
	`initial[_.-]cluster[_.-]token$`,
	`(?:^|[_.-])public[_.-].*(?:key|token)s?$`,
	`(?:load|set|import|with|include|allow|use)[_.-]?credentials?$`, // a switch
}, "|"), "secret", "token", "tokens", "key", "keys", "credential", "credentials")

// trustStores match the passwords of stores of public certificates.
var trustStores = regexp.MustCompile(`trust[_.-]?store[_.-]?(?:pass|pwd)`)

// camelNames end in a word that is lost in lower case: sslKeystorePass, but not Bypass.
var camelNames = ending(`[a-z0-9](?:Pw|Pass|Pwd)$`, "Pw", "Pass", "Pwd")

// passes matches names in which pass does not mean a password.
var passes = regexp.MustCompile(`(?i:proxy|uwsgi|fastcgi|scgi|grpc|by|low|high|band|render|first|second|single|multi|one|two|max|last|next|boarding|trust_?store)(?:Pass|Pwd)$`)

// authNames match variables of well-known programs that contain user and password, or the password alone.
var authNames = ending(`(?:^|[_.-])(?:rediscli|neo4j|(?:flower|http|proxy|registry|nexus|elastic|es|consul|consul_http|composer|npm|docker|influx|traefik|dashboard|ui|web|admin)_?)?(?:basic)?[_.-]?auth$|:_auth$|^_auth$`, "auth")

// vendorKeys match names of keys that services issue.
var vendorKeys = ending(`(?:^|[_.-])(?:`+strings.Join([]string{
	`azure[a-z_.-]*`, `storage(?:[_.-]?account)?`, `batch`, `cosmos(?:[_.-]?db)?`, `openai`, `cognitive(?:[_.-]?services?)?`, `speech`, `translator`,
	`service[_.-]?bus`, `event[_.-]?(?:hub|grid)s?`, `(?:dd|datadog)[_.-]?app(?:lication)?`, `app(?:lication)?`, `consumer`, `shared`, `service`, `function`,
	`stripe`, `sendgrid`, `mailgun`, `mailchimp`, `mandrill`, `postmark`, `twilio`, `algolia[a-z_.-]*`, `anthropic`, `gemini`, `mistral`, `cohere`,
	`groq`, `pinecone`, `honeycomb`, `bugsnag`, `rollbar`, `airtable`, `pagerduty[a-z_.-]*`, `opsgenie`, `cloudflare`, `linode`, `vultr`, `heroku`,
	`wireguard`, `wg`, `aes`, `session`, `security`, `crypto`, `cipher`, `kek`, `root`, `integration`, `insert`, `ingest(?:ion)?`, `write`,
	`webhook`, `newrelic`, `new[_.-]relic`, `sentry`, `github`, `gitlab`, `slack`, `firebase`, `fcm(?:[_.-]server)?`, `server`, `maps`, `google[a-z_.-]*`,
}, "|")+`)[_.-]?key$`, "key")

// accountKeys match the keys of a cloud account, which has two of them.
var accountKeys = ending(`(?:^|_)(?:azure|cosmos|storage|search|batch|iot|event_?hub|service_?bus|redis|signalr|maps|cognitive|openai|acr)[a-z_]*_(?:primary|secondary)_key$`, "_key")

// secretID matches half of the credentials of a Vault AppRole, or elsewhere the name of a secret.
var secretID = ending(`(?:^|[_.-])secret[_.-]?id$`, "id")

// salts are harmless, except for those that sign cookies.
var salts = ending(`(?:^|[_.-])(?:auth|nonce|logged_in|secure_auth|cookie|session|token|hash|password|encryption|secret|app)[_.-]?salt$`, "salt")

// plainKeys match keys that do not unlock anything.
var plainKeys = ending(`(?:public|publishable|gpg|pgp|partition|sort|primary|foreign|cache|object|s3|index|lookup|group|instrumentation|site|host|lock|path|registry|label|annotation|config|redis|map|row|dict|header|hot|cert|ca|alias|project|issue|language|translation|message|i18n|dedupe?|idempotency|trust(?:ed)?|pub)[_.-]?key$`, "key")

// first matches names that begin with a noun: TOKEN_GITHUB, SECRET_JWT, PASSWORD_DB.
var first = regexp.MustCompile(`^(?:[a-z0-9]+_)?(?:password|passwd|passphrase|pwd|pw|secret|token|apikey|api_key)_([a-z0-9_]+)$`)

// systems lists systems that have passwords. In a name that begins with a noun, any other word makes it only
// likely.
var systems = set(strings.Fields(`
	github gitlab gitea bitbucket jira slack discord telegram twilio stripe sendgrid aws azure gcp google db database jwt
	redis postgres postgresql pg mysql mariadb mongo mongodb rabbitmq kafka smtp mail backup ldap ftp sftp ssh docker
	dockerhub npm pypi vault sonar nexus artifactory elastic elasticsearch grafana root admin api app
`)...)

// stage matches the suffix of a system's name.
var stage = regexp.MustCompile(`_(?:prod|dev|test|staging|\d{1,2})$`)

func isSystem(name string) bool { return systems[stage.ReplaceAllString(name, "")] }

// passFirst matches a shorter noun that is also a verb: PASS_DB, but also PASS_HEADERS.
var passFirst = regexp.MustCompile(`^(?:[a-z0-9]+_)?pass_([a-z0-9_]+)$`)

// describing lists words that turn a credential's name into the name of one of its properties.
var describing = set(strings.Fields(`
	access account address age agent alg algorithm algorithms allowed annotation annotations arn at attempts aud
	audience audiences auth backend bucket budget cache caching chain change charset check checks checksum claim
	claims class client cmd column command complexity config contract controller cookie cookies cost count csi
	data day days decimals delimiter description digest digit digits dir directory disable disabled domain domains
	driver duration email enable enabled encoder encoding endpoint engine env exchange field file filename files
	filter filters flow format generation generator grace grant group guid handler handlers hash hashed hasher
	hashers hashes hashing header headers hint history host hour hours id ids in index injector interval
	introspection iss issued issuer iterations key keys kind label labels leeway len length lifetime limit list
	location locked lockout lookup lower manager mapping margin max memory message method min minute minutes
	mode mount mounts name names namespace namespaces network ns number object objects operator option options
	owner parameter parameters path paths pattern patterns per placeholder plugin policy port prefix project
	prompt provider question quota rate realm realms ref refresh refs regex region reminder require required reset
	resolver resource resources retries role rotate rounds rule rules scope scopes script second seconds secure
	selector selectors separator server service setting settings size skew source sources special standard storage
	store strategy strength suffix suffixes supply symbol symbols sync template text timeout title tries ttl type
	types uid upper uri uris url urls usage user username valid validation validator validators validity var
	verification verify version versions volume watch window word words
`)...)

// describes reports whether the last word of a name, between underscores, is such a word.
func describes(name string) bool {
	word := name[strings.LastIndexByte(name, '_')+1:]
	return describing[word] || change.MatchString(word)
}

// change matches what happens to credentials: expiry, renewed, rotation.
var change = regexp.MustCompile(`^(?:expir|renew|rotat)[a-z]*$`)

// nameOf returns the confidence that a name is a credential's.
func nameOf(name string) confidence {
	name = nameSuffix(name)
	low := lower(name)
	if !nameClue.MatchString(low) {
		return unnamed
	}
	switch {
	case otherNames.MatchString(low), strings.Contains(low, "trust") && trustStores.MatchString(low):
		return unnamed
	case certainNames.MatchString(low) || camelNames.MatchString(name) && !passes.MatchString(name):
		return certain
	case authNames.MatchString(low):
		return certain
	case secretID.MatchString(low), salts.MatchString(low):
		return opaque
	}
	low = strings.NewReplacer("-", "_", ".", "_").Replace(low)
	if groups := first.FindStringSubmatch(low); len(groups) > 0 && !describes(groups[1]) {
		if isSystem(groups[1]) {
			return certain
		}
		return likely
	}
	if groups := passFirst.FindStringSubmatch(low); len(groups) > 0 && isSystem(groups[1]) {
		return certain
	}
	switch {
	case accountKeys.MatchString(low):
		return vendor
	case plainKeys.MatchString(low):
		return unnamed
	case vendorKeys.MatchString(low):
		return vendor
	case strings.HasSuffix(low, "_key") || strings.HasSuffix(name, "Key"):
		return opaque
	case strings.HasSuffix(low, "_auth"):
		return opaque
	}
	return unnamed
}

// nameSuffix returns the end of a name, which decides; names have no maximum length.
func nameSuffix(name string) string { return name[max(0, len(name)-1024):] }

// Named reports whether a name alone shows that its value is a credential.
func Named(name string) bool { return nameOf(name) == certain }

// named finds a credential by the name of an env entry, a key, a header or a flag.
func named(name, value string) (Match, bool) {
	name = nameSuffix(name)
	c := nameOf(name)
	if c == unnamed || !Plain(name, value) {
		return Match{}, false
	}
	low := lower(name)
	m := Match{Detector: "name", Name: low, What: "a credential", Named: true, Line: 1}
	switch {
	case c == certain && certainNames.MatchString(low):
	case c == certain && authNames.MatchString(low):
		return m, isAuth(low, value)
	case c == vendor:
		m.Detector = "name of a vendor's key"
		return m, isRandom(value)
	case c == likely:
		m.Detector, m.Likely = "noun first", true
		return m, len(value) >= 8 && !strings.ContainsAny(value, " \t\n") && strings.ContainsAny(lower(value), "abcdefghijklmnopqrstuvwxyz")
	case c == certain && first.MatchString(strings.NewReplacer("-", "_", ".", "_").Replace(low)):
		m.Detector = "noun first"
	case c == opaque:
		m.Detector, m.Likely = "random value under a key", true
		return m, isRandomFor(low, value)
	}
	return m, true
}

// isAuth distinguishes a user with a password from the name of a scheme.
func isAuth(low, value string) bool {
	if strings.HasSuffix(low, "rediscli_auth") || strings.HasSuffix(low, "_auth") && strings.HasPrefix(low[:max(0, len(low)-5)], "//") || low == "_auth" || strings.HasSuffix(low, ":_auth") {
		return true
	}
	separators := ":"
	if strings.HasSuffix(low, "neo4j_auth") {
		separators = "/"
	}
	i := strings.IndexAny(value, separators)
	return i > 0 && len(value)-i > 4 && !strings.ContainsAny(value, " \t") && !strings.HasPrefix(value[i:], "://") &&
		!strings.ContainsRune(value[i+1:], '/') && !crypted.MatchString(value[i+1:]) && value[:i] != "auth" && Plain("", value[i+1:])
}

// crypted matches a hashed password.
var crypted = regexp.MustCompile(`^(?:\$(?:apr1|1|2[aby]?|5|6|7|y|argon2[a-z]*|scrypt|pbkdf2)\$|\{[A-Za-z0-9-]+\})`)

// isRandomFor is random, but accepts a UUID as the secret ID of an AppRole.
func isRandomFor(low, value string) bool {
	return isRandom(value) || secretID.MatchString(low) && uuid.MatchString(value)
}

// hashed matches a hexadecimal hash.
var hashed = regexp.MustCompile(`^(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$`)

// isRandom reports whether a value appears to be generated.
func isRandom(value string) bool {
	value = strings.TrimPrefix(strings.TrimSpace(value), "base64:")
	if len(value) < 16 || len(value) > 1024 || uuid.MatchString(value) || wordy.MatchString(value) {
		return false
	}
	var seen [128]bool
	distinct, digits, letters := 0, 0, 0
	for i := range len(value) {
		c := value[i]
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			letters++
		case strings.IndexByte("+/=_-.~", c) < 0:
			return false
		}
		if !seen[c] {
			seen[c] = true
			distinct++
		}
	}
	return distinct >= 8 && digits >= 2 && letters >= 4
}

var (
	uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	// wordy matches words with an occasional number, a path or a host.
	wordy = regexp.MustCompile(`^/?[A-Za-z]{2,20}[0-9]{0,4}(?:[-_./][A-Za-z0-9]{1,15}){1,12}/?$`)
)

func lower(text string) string {
	for i := range len(text) {
		if c := text[i]; c >= 'A' && c <= 'Z' {
			b := []byte(text)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return text
}
