package decision

import (
	"regexp"
	"strings"
)

// subjectFlag returns the flag of kubectl that names a user as the subject of a binding.
func subjectFlag(user string) string {
	if account, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		return "--serviceaccount=" + quoted(account)
	}
	return "--user=" + quoted(user)
}

// quoted returns text as one word of a shell.
func quoted(text string) string {
	if regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`).MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(userName(text, maxLine), "'", `'\''`) + "'"
}

// userName returns a user name as one line. It is not redacted: the API server has
// authenticated it, and oidc:ana@example.com only looks like a password before a host.
func userName(name string, limit int) string { return shortened(oneLine(name, limit), limit) }
