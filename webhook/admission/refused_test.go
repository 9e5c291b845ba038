package admission_test

import (
	"net/http"
	"strings"
	"testing"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
)

// Whoever sends something other than an AdmissionReview gets an answer that says why it fails, and whether to
// retry.
func TestWhyNothingIsAnswered(t *testing.T) {
	allowing := answering(&decision.Decision{Verdict: decision.VerdictAllow})
	for name, c := range map[string]struct {
		decider       admission.Decider
		method, media string
		stop          bool
		status        int
		text, retry   string
		allow         string
		close         bool
	}{
		"another method":     {allowing, http.MethodGet, "application/json", false, http.StatusMethodNotAllowed, "taffrail: use POST\n", "", "POST", true},
		"another media type": {allowing, http.MethodPost, "text/plain", false, http.StatusUnsupportedMediaType, "taffrail: Content-Type must be application/json\n", "", "", true},
		"no media type":      {allowing, http.MethodPost, "", false, http.StatusUnsupportedMediaType, "taffrail: Content-Type must be application/json\n", "", "", true},
		"not ready":          {nil, http.MethodPost, "application/json", false, http.StatusServiceUnavailable, "taffrail: no policies compiled yet\n", "1", "", false},
		"stopped":            {allowing, http.MethodPost, "application/json; charset=utf-8", true, http.StatusServiceUnavailable, "taffrail: stopping\n", "1", "", true},
	} {
		f := start(t, c.decider)
		if c.stop {
			f.handler.Stop()
		}
		a := f.do(c.method, "/validate", c.media, strings.NewReader(body("Deployment", deployment)))
		if a.status != c.status || a.text != c.text || a.header.Get("Retry-After") != c.retry || a.header.Get("Allow") != c.allow || a.close != c.close ||
			a.header.Get("Content-Type") != "text/plain; charset=utf-8" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: HTTP %d, %q, %v, closed: %v", name, a.status, a.text, a.header, a.close)
		}
	}
}
