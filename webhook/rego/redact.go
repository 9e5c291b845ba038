package rego

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
)

// minSecret is the minimum length of a Secret's value to be redacted. Shorter values match ordinary text by
// accident.
const minSecret = 4

// redactor removes credentials from what policies report about one object. It knows the object's whole values,
// so it also finds those that contain spaces or quotes.
type redactor struct {
	request *decision.Request
	// user reports whether the policy is a user's, which nobody has reviewed.
	user bool
	// odd replaces credentials that contain spaces or quotes. It is built on first use.
	odd *strings.Replacer
	// secrets replaces the values of a Secret. It is built on first use.
	secrets *strings.Replacer
}

// violation redacts the texts of v. It leaves the container, by which Exemptions and injections identify it,
// and the fix, which must remain applicable.
func (r *redactor) violation(v *decision.Violation) {
	v.Message, v.Unknown = r.text(v.Message), r.text(v.Unknown)
	path, key := v.Path, v.Key
	v.Path = r.text(path)
	if v.Key = v.Path; key != path {
		v.Key = r.text(key)
	}
	if v.Key != key {
		v.Digest = sha256.Sum256([]byte(key))
	}
}

func (r *redactor) text(text string) string {
	if text == "" {
		return ""
	}
	if r.user && r.request.Kind.Group == "" && r.request.Kind.Kind == "Secret" {
		if r.secrets == nil {
			r.secrets = replacer(secretValues(r.request))
		}
		text = r.secrets.Replace(text)
	}
	if strings.Contains(text, "@") {
		if r.odd == nil {
			r.odd = replacer(oddValues(r.request))
		}
		text = r.odd.Replace(text)
	}
	return decision.Redact(text)
}

// replacer returns a Replacer that prefers longer values to their prefixes.
func replacer(values map[string]string) *strings.Replacer {
	from := make([]string, 0, len(values))
	for value := range values {
		from = append(from, value)
	}
	slices.SortFunc(from, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	pairs := make([]string, 0, 2*len(from))
	for _, value := range from {
		pairs = append(pairs, value, values[value])
	}
	return strings.NewReplacer(pairs...)
}

// oddValues returns the strings of an object that are only recognizable as credentials as a whole.
func oddValues(r *decision.Request) map[string]string {
	values := map[string]string{}
	for _, object := range []map[string]any{r.Object, r.OldObject} {
		for value := range allStrings(object) {
			if !strings.Contains(value, "@") || !strings.ContainsAny(value, " \t\r\n\"") {
				continue
			}
			if redacted := decision.RedactValue(value); redacted != value {
				values[value] = redacted
			}
		}
	}
	return values
}

// secretValues returns the values of a Secret and of kubectl's copy of it, encoded and decoded.
func secretValues(r *decision.Request) map[string]string {
	values := map[string]string{}
	add := func(value string) {
		if len(value) >= minSecret {
			values[value] = decision.Redacted
		}
	}
	for _, object := range []map[string]any{r.Object, r.OldObject} {
		data, _ := object["data"].(map[string]any)
		for _, member := range data {
			value, _ := member.(string)
			add(value)
			if decoded, err := base64.StdEncoding.DecodeString(value); err == nil {
				add(string(decoded))
			}
		}
	}
	for _, applied := range []*decision.LastApplied{r.LastApplied, r.OldLastApplied} {
		if applied == nil {
			continue
		}
		for _, value := range applied.Data {
			add(value)
			if decoded, err := base64.StdEncoding.DecodeString(value); err == nil {
				add(string(decoded))
			}
		}
		for _, value := range applied.StringData {
			add(value)
		}
	}
	return values
}

// allStrings yields all strings of a JSON value, including the keys of objects.
func allStrings(value any) iter.Seq[string] {
	return func(yield func(string) bool) { eachString(value, yield) }
}

func eachString(value any, yield func(string) bool) bool {
	switch value := value.(type) {
	case string:
		return yield(value)
	case []any:
		for _, element := range value {
			if !eachString(element, yield) {
				return false
			}
		}
	case *decision.Unread:
		return eachString(value.Value(), yield)
	case map[string]any:
		for key, member := range value {
			if !yield(key) || !eachString(member, yield) {
				return false
			}
		}
	}
	return true
}
