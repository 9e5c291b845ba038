package admission

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"
)

// encode returns the AdmissionReview as encoding/json writes it. The parts that nearly every answer
// has are written without reflection.
func (r *response) encode() ([]byte, error) {
	out := make([]byte, 0, 256+len(r.Patch)*2)
	out = append(out, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":`...)
	out = appendText(out, string(r.UID))
	out = append(out, `,"allowed":`...)
	if r.Allowed {
		out = append(out, `true`...)
	} else {
		out = append(out, `false`...)
	}
	if r.Result != nil {
		status, err := json.Marshal(r.Result)
		if err != nil {
			return nil, err
		}
		out = append(append(out, `,"status":`...), status...)
	}
	if len(r.Patch) > 0 {
		out = append(out, `,"patch":"`...)
		out = base64.StdEncoding.AppendEncode(out, r.Patch)
		out = append(out, '"')
	}
	if r.PatchType != nil {
		out = append(out, `,"patchType":`...)
		out = appendText(out, string(*r.PatchType))
	}
	if len(r.AuditAnnotations) > 0 {
		out = append(out, `,"auditAnnotations":{`...)
		for i, name := range slices.Sorted(maps.Keys(r.AuditAnnotations)) {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendText(out, name), ':')
			out = appendText(out, r.AuditAnnotations[name])
		}
		out = append(out, '}')
	}
	if len(r.Warnings) > 0 {
		out = append(out, `,"warnings":[`...)
		for i, warning := range r.Warnings {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendText(out, warning)
		}
		out = append(out, ']')
	}
	return append(out, `}}`...), nil
}

// appendText appends a string in JSON. Of the characters that encoding/json escapes, many for the
// sake of HTML, it leaves the escaping to that.
func appendText(out []byte, text string) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c >= utf8.RuneSelf, c == '"', c == '\\', c == '<', c == '>', c == '&':
			encoded, _ := json.Marshal(text) // a string never fails
			return append(out, encoded...)
		}
	}
	out = append(out, '"')
	out = append(out, text...)
	return append(out, '"')
}
