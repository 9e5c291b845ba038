package credentials

import (
	"regexp"
	"strings"
)

// format matches lines of a file format in which a blank separates a name from its value, or in which values
// have no name.
type format struct {
	detector, what string
	// needle occurs in every file of the format.
	needle string
	// files matches the name of the file. If nil, any name matches.
	files *regexp.Regexp
	// pattern is applied to each line that contains the needle. Its last group is the value.
	pattern *regexp.Regexp
	likely  bool
}

var formats = []format{
	{"redis.conf", "a password for Redis", "requirepass", nil, re(`^\s*requirepass\s+["']?([^\s"']+)`), false},
	{"redis.conf", "a password for Redis", "masterauth", nil, re(`^\s*masterauth\s+["']?([^\s"']+)`), false},
	{"redis.conf", "a password for Redis", "auth-pass", nil, re(`^\s*sentinel\s+auth-pass\s+\S+\s+["']?([^\s"']+)`), false},
	{"Redis ACL", "a password for Redis", " >", nil, re(`(?i)^\s*(?:user|acl\s+setuser)\s+\S+\s(?:.*\s)?>([^\s"']+)`), false},
	{".netrc", "a password for a machine", "machine", nil, re(`^\s*machine\s+\S+(?:\s+login\s+\S+)?\s+password\s+(\S+)`), false},
	{".netrc", "a password for a machine", "default", re(`netrc$`), re(`^\s*default\s+login\s+\S+\s+password\s+(\S+)`), false},
	{".netrc", "a password for a machine", "password", re(`netrc$`), re(`^\s*(?:login\s+\S+\s+)?password\s+(\S+)`), false},
	{".pgpass", "a password for PostgreSQL", ":", re(`pgpass`), re(`^[^:#\s]+:[0-9*]+:[^:]+:[^:]+:([^:\s]+)\s*$`), false},
	{".pgpass", "a password for PostgreSQL", ":5432:", nil, re(`^[^:#\s"'=]+:5432:[^:\s"'=]+:[^:\s"'=]+:([^:\s"'=]+)\s*$`), false},
	{"HAProxy", "a password for HAProxy", "insecure-password", nil, re(`^\s*user\s+\S+\s.*\binsecure-password\s+(\S+)`), false},
	{"HAProxy", "a password for HAProxy", "insecure-password", nil, re(`^\s*user\s+\S+\s+insecure-password\s+(\S+)`), false},
	{"HAProxy", "a password for HAProxy", "stats auth", nil, re(`^\s*stats\s+auth\s+[^\s:]+:(\S+)`), false},
	{"IPsec", "a pre-shared key", "PSK", nil, re(`^[^#]*:\s*PSK\s+"([^"]+)"`), false},
	{"squid", "a password for a proxy", "cache_peer", nil, re(`^\s*cache_peer\s.*\blogin=[^:\s]+:(\S+)`), false},
	{"Postfix", "a password for a mail server", ":", re(`sasl_passw(?:or)?d`), re(`^\S+\s+[^:\s]+:(\S+)\s*$`), false},
	{"chap-secrets", "a password for a peer", " ", re(`(?:chap|pap)-secrets`), re(`^\s*[^#\s]+\s+\S+\s+["']?([^\s"']+)["']?(?:\s+\S+)?\s*$`), false},
	{"SNMP", "a password for SNMP", "createUser", nil, re(`^\s*createUser\s+(?:-e\s+\S+\s+)?\S+\s+(?:MD5|SHA\S*)\s+["']?([^\s"']+)`), false},
	{"SNMP", "a community of SNMP", "community", re(`snmp`), re(`^\s*r[ow]community6?\s+(\S+)`), true},
	{"users.properties", "a user's password", "=", re(`(?:^|[._-])(?:users|realm)\.properties$`), re(`^\s*[A-Za-z][\w.@-]*\s*=\s*([^\s,]+)\s*(?:,.*)?$`), true},
	{"users.properties", "a user's password", ":", re(`(?:^|[._-])realm\.properties$`), re(`^\s*[A-Za-z][\w.@-]*\s*:\s*([^\s,]+)\s*(?:,.*)?$`), true},
	{"jmxremote.password", "a user's password", " ", re(`jmxremote\.password$`), re(`^\s*[A-Za-z]\w*\s+(\S+)\s*$`), false},
	{"Duo or NTP key", "a key", " ", re(`^(?:ntp|chrony)\.keys$`), re(`^\s*[0-9]+\s+(?:M|MD5|SHA\S*)\s+(\S+)`), false},
}

// findFileFormats finds values in specific file formats.
func findFileFormats(t *text) {
	for i := range formats {
		f := &formats[i]
		if f.files != nil && !f.files.MatchString(t.file) {
			continue
		}
		for from, n := 0, 0; n < maxCandidates; n++ {
			at := strings.Index(t.raw[from:], f.needle)
			if at < 0 {
				break
			}
			at += from
			begin := max(0, at-300)
			if i := strings.LastIndexByte(t.raw[begin:at], '\n'); i >= 0 {
				begin += i + 1
			}
			from = max(at+len(f.needle), t.lineEnd(at))
			groups := f.pattern.FindStringSubmatch(t.raw[begin:t.lineEnd(at)])
			if len(groups) == 0 || isPlaceholder(lower(groups[1])) || crypted.MatchString(groups[1]) || hashed.MatchString(groups[1]) {
				continue
			}
			t.add(Match{Detector: f.detector, What: f.what, Likely: f.likely}, at)
		}
	}
}

var (
	// settingLine matches a line with a name and a value separated by a blank.
	settingLine = re(`^\s*(?i:(?:set|option|default|setenv|env|(?:proxy|grpc|uwsgi)_(?:set_header|pass_header)|add_header|fastcgi_param|requestheader\s+set|http-request\s+set-header|export)\s+)?["']?([A-Za-z][A-Za-z0-9_.-]*)["']?[ \t]+(?:"([!#-~]+)"|'([!-&(-~]+)'|([!#-&(-:<-~][!-:<-~]*))[ \t]*;?[ \t]*\r?$`)
	// inlineSetting matches such a line within an nginx block.
	inlineSetting = re(`[;{]\s*(?i:set|proxy_set_header|grpc_set_header|add_header|fastcgi_param|uwsgi_param)\s+["']?([A-Za-z][A-Za-z0-9_.-]*)["']?[ \t]+(?:"([!#-~]+)"|'([!-&(-~]+)'|([^\s"'$;{}]+));`)
	settingsFiles = re(`(?i)\.(?:conf|cfg|config|cnf|cf|rc|acl|ctl)$|rc$|conf$|config$|^[^.]*$`)
	// coveredNames matches names that formats covers, and nginx's directives for passing requests on.
	coveredNames  = re(`(?i)^(?:requirepass|masterauth|(?:proxy|fastcgi|uwsgi|scgi|grpc|memcached|tunnel|js)_pass)$`)
	languageFiles = re(`(?i)\.(?:md|rst|txt|html?|js|ts|py|go|rb|java|json|ya?ml|xml|sql|po|graphql|proto|tf)$`)
)

// findSettings finds a name and a value separated by a blank, as in the configuration of fluentd, Apache and many
// others. A line of exactly two words is not a sentence.
func findSettings(t *text) {
	if strings.IndexByte(t.low, ' ') < 0 && strings.IndexByte(t.low, '\t') < 0 || languageFiles.MatchString(t.file) {
		return
	}
	for i := range nouns {
		word := nouns[i].word
		candidates := 0
		for from := 0; candidates < maxCandidates; {
			at := strings.Index(t.low[from:], word)
			if at < 0 {
				break
			}
			at += from
			from = at + len(word)
			line := t.line(at)
			if strings.Contains(strings.TrimSpace(line), "  ") || comment.MatchString(line) {
				continue
			}
			candidates++
			end := t.lineEnd(at)
			groups := settingLine.FindStringSubmatch(t.raw[at-len(line) : end])
			if groups == nil {
				groups = inlineSetting.FindStringSubmatch(t.raw[at-len(line) : end])
			}
			from = max(from, end)
			if len(groups) == 0 || coveredNames.MatchString(groups[1]) {
				continue
			}
			value := strings.Join(groups[2:], "")
			low := lower(value)
			c := nameOf(groups[1])
			if c == unnamed || c == likely || c != certain && !isRandomFor(lower(groups[1]), value) {
				continue
			}
			if isPlaceholder(low) || !Plain(groups[1], value) || crypted.MatchString(value) || strings.IndexByte("=:>-{", value[0]) >= 0 || t.isLabel(value) || strings.HasSuffix(value, ":") {
				continue
			}
			name := lower(groups[1])
			sure := c == certain && settingsFiles.MatchString(t.file) && (strings.Count(t.raw, "\n") > 0 || t.file != "") && strings.ContainsAny(value, "0123456789!@#%^&*_-")
			t.add(Match{Detector: "name, blank, value", Name: name, What: described(name), Likely: !sure}, at)
		}
	}
}
