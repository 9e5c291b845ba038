package admission_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"taffrail.dev/webhook/api/v1alpha1"
)

// An object that policies cannot inspect is refused if a policy is enforced, and never answered with an HTTP
// error, because failurePolicy Ignore would admit it.
func TestHostileObjectsAreRefusedWhereEnforcedAndElsewhereAdmittedWithAWarning(t *testing.T) {
	spec := func(pod string) string { return `{"spec":{"template":{"spec":` + pod + `}}}` }
	limits := func(cpu string) string {
		return spec(`{"containers":[{"name":"a","resources":{"requests":{"cpu":"1"},"limits":{"cpu":"` + cpu + `"}}}]}`)
	}
	objects := map[string]struct{ object, says string }{
		"5,000 maps deep":             {strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), "nests deeper"},
		"5,000 lists deep":            {`{"spec":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}", "nests deeper"},
		"10,000 containers":           {spec(`{"containers":[{}` + strings.Repeat(",{}", 9999) + "]}"), "containers"},
		"10,000 ephemeral containers": {spec(`{"ephemeralContainers":[{}` + strings.Repeat(",{}", 9999) + "]}"), "containers"},
		"minutes to compare":          {limits("1e1000000000"), "exponent"},
		"minutes to parse":            {limits("1e-1000000000"), "exponent"},
		"an exponent that overflows":  {limits("1E4294967296"), "exponent"},
		"minutes of overhead":         {spec(`{"overhead":{"cpu":"1e-1000000000"}}`), "exponent"},
	}
	for mode, allowed := range map[v1alpha1.Mode]bool{v1alpha1.ModeEnforce: false, v1alpha1.ModeWarn: true} {
		handler := newRealHandler(t, mode, plain{})
		for name, test := range objects {
			t.Run(string(mode)+"/"+name, func(t *testing.T) {
				for _, path := range []string{"/validate", "/mutate"} {
					answer := handler.post(path, []byte(body("Deployment", test.object)))
					var got admissionv1.AdmissionReview
					if err := json.Unmarshal(answer.Body.Bytes(), &got); answer.Code != http.StatusOK || err != nil {
						t.Fatalf("%s: HTTP %d: %s", path, answer.Code, answer.Body)
					}
					switch r := got.Response; {
					case path == "/mutate":
						if !r.Allowed || len(r.Patch) > 0 {
							t.Errorf("%s: %s", path, answer.Body)
						}
					case r.Allowed != allowed:
						t.Errorf("allowed is %v", r.Allowed)
					case !allowed && (!strings.HasPrefix(r.Result.Message, "Deployment eks-work/nginx is denied by ") || !strings.Contains(r.Result.Message, test.says)):
						t.Errorf("message %q", r.Result.Message)
					case allowed && (len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], test.says)):
						t.Errorf("warnings %q", r.Warnings)
					}
				}
			})
		}
	}
}

// An oversized object that was admitted earlier can lose its finalizers; otherwise its namespace could not be
// deleted.
func TestWhatIsTooMuchCanLoseItsFinalizers(t *testing.T) {
	handler := newRealHandler(t, v1alpha1.ModeEnforce, plain{})
	many := func(finalizers, image string) string {
		return `{"metadata":{"name":"a","finalizers":[` + finalizers + `]},"spec":{"template":{"spec":{"containers":[{"image":"` + image + `"}` +
			strings.Repeat(",{}", 500) + `]}}}}`
	}
	update := func(object, old string) []byte {
		text := strings.Replace(body("Deployment", object), `"operation":"CREATE"`, `"operation":"UPDATE"`, 1)
		return []byte(strings.Replace(text, `"object":`, `"oldObject":`+old+`,"object":`, 1))
	}
	for name, test := range map[string]struct {
		object  string
		allowed bool
	}{
		"a finalizer is removed": {many("", "a:1"), true},
		"an image is changed":    {many("", "a:2"), false},
	} {
		answer := handler.post("/validate", update(test.object, many(`"example.com/wait"`, "a:1")))
		var got admissionv1.AdmissionReview
		if err := json.Unmarshal(answer.Body.Bytes(), &got); answer.Code != http.StatusOK || err != nil {
			t.Fatalf("%s: HTTP %d: %s", name, answer.Code, answer.Body)
		}
		if got.Response.Allowed != test.allowed {
			t.Errorf("%s: %+v", name, got.Response)
		}
	}
}
