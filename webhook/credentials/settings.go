package credentials

import "strings"

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
		for m := mentionsOf(t.low, word, len(t.low)); candidates < maxCandidates && m.next(); {
			at := m.at
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
			m.skip(end)
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
