package credentials

import "regexp"

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
		for m := mentionsOf(t.raw, f.needle, maxCandidates); m.next(); {
			begin, end := m.at-len(t.line(m.at)), t.lineEnd(m.at)
			m.skip(end)
			groups := f.pattern.FindStringSubmatch(t.raw[begin:end])
			if len(groups) == 0 || isPlaceholder(lower(groups[1])) || crypted.MatchString(groups[1]) || hashed.MatchString(groups[1]) {
				continue
			}
			t.add(Match{Detector: f.detector, What: f.what, Likely: f.likely}, m.at)
		}
	}
}
