package admission_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"taffrail.dev/test/corpus"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// FuzzValidate checks that every body gets an answer that an API server understands, that no error bypasses an
// enforced policy, and that no value of a Secret is repeated.
func FuzzValidate(f *testing.F) {
	seed(f, func(body []byte) { f.Add(body, false) })
	f.Add([]byte(podBody()), true)
	working, broken := newRealHandler(f, v1alpha1.ModeEnforce, plain{}), newRealHandler(f, v1alpha1.ModeEnforce, silent{})
	f.Fuzz(func(t *testing.T, data []byte, silence bool) {
		handler := working
		if silence {
			handler = broken
		}
		answer := handler.post("/validate", data)
		// If all facts are known, no object may cause an internal error.
		response := wellFormed(t, answer, silence)
		req := requestIn(data)
		checkSecret(t, handler, "/validate", req)
		if response == nil {
			return
		}
		if response.Patch != nil {
			t.Fatalf("a patch: %s", response.Patch)
		}
		if req == nil || !decidable(req) || !response.Allowed {
			return
		}
		if silence {
			t.Fatalf("allowed, and nobody knows the namespace: %s", answer.Body)
		}
		if corpus.Levels(req["object"]) > request.MaxDepth {
			t.Fatalf("allowed, and nobody could look at it: %s", answer.Body)
		}
	})
}

// FuzzMutate checks that /mutate refuses nothing, and that a patch applies, only adds values, and leaves
// nothing to patch.
func FuzzMutate(f *testing.F) {
	seed(f, func(body []byte) { f.Add(body) })
	handler := newRealHandler(f, v1alpha1.ModeEnforce, plain{})
	f.Fuzz(func(t *testing.T, data []byte) {
		response := wellFormed(t, handler.post("/mutate", data), false)
		request := requestIn(data)
		checkSecret(t, handler, "/mutate", request)
		if response == nil {
			return
		}
		if !response.Allowed {
			t.Fatalf("refused: %v", response.Result)
		}
		if response.Patch == nil || request == nil {
			return
		}
		object := encode(t, request["object"])
		patch, err := jsonpatch.DecodePatch(response.Patch)
		if err != nil {
			t.Fatalf("%v: %s", err, response.Patch)
		}
		patched, err := patch.Apply(object)
		if err != nil {
			t.Fatalf("%v: %s does not apply to\n%s", err, response.Patch, object)
		}
		var after map[string]any
		if err := kjson.UnmarshalCaseSensitivePreserveInts(patched, &after); err != nil {
			t.Fatal(err)
		}
		if kind, _ := request["kind"].(map[string]any); kind["kind"] != "Pod" || !corpus.Within(request["object"], after) {
			t.Fatalf("%s replaces a value in\n%s", response.Patch, object)
		}
		request["object"] = after
		second := wellFormed(t, handler.post("/mutate", reviewOf(t, request)), false)
		if second == nil || second.Patch != nil {
			t.Fatalf("a second pass answers %+v after %s for\n%s", second, response.Patch, object)
		}
	})
}

// seed adds a review of every example object, an update of each kind, and some oversized objects.
func seed(f *testing.F, add func([]byte)) {
	f.Helper()
	req := func(object map[string]any, operation string) map[string]any {
		kind, _ := object["kind"].(string)
		group, version, grouped := strings.Cut(object["apiVersion"].(string), "/")
		if !grouped {
			group, version = "", group
		}
		return map[string]any{
			"uid": "uid-1", "kind": map[string]any{"group": group, "version": version, "kind": kind},
			"name": "web", "namespace": "shop", "operation": operation,
			"userInfo": map[string]any{"username": "alice", "groups": []any{"dev"}}, "object": object,
		}
	}
	updated := map[any]bool{}
	for _, object := range corpus.Objects(f, "../..") {
		add(reviewOf(f, req(object, "CREATE")))
		if kind := object["kind"]; !updated[kind] {
			updated[kind] = true
			update := req(object, "UPDATE")
			update["oldObject"] = object
			add(reviewOf(f, update))
		}
	}
	add([]byte(podBody()))
	add([]byte(body("Deployment", deployment, `,"oldObject":null,"dryRun":true`)))
	add([]byte(body("Deployment", strings.Repeat(`{"a":`, request.MaxDepth+1)+"1"+strings.Repeat("}", request.MaxDepth+1))))
	add([]byte(body("Deployment", `{"spec":{"template":{"spec":{"containers":[{}`+strings.Repeat(",{}", request.MaxContainers)+`]}}}}`)))
	add([]byte(`{"request":{"uid":"x","operation":"DELETE"}}`))
	add([]byte("[]"))
}

func encode(tb testing.TB, value any) []byte {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func reviewOf(tb testing.TB, request map[string]any) []byte {
	tb.Helper()
	return encode(tb, map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
}

// wellFormed returns the response of a decision, or nil for an HTTP error.
func wellFormed(t *testing.T, answer *httptest.ResponseRecorder, mayFail bool) *admissionv1.AdmissionResponse {
	t.Helper()
	text := answer.Body.Bytes()
	switch answer.Code {
	case http.StatusOK:
	case http.StatusInternalServerError:
		if !mayFail {
			t.Fatalf("an object brought this about: %s", text)
		}
		fallthrough
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		if !strings.HasPrefix(string(text), "taffrail: ") || len(text) > 2048 || answer.Header().Get("Retry-After") != "" {
			t.Fatalf("HTTP %d %v: %s", answer.Code, answer.Header(), text)
		}
		return nil
	default:
		t.Fatalf("HTTP %d: %s", answer.Code, text)
	}
	var got admissionv1.AdmissionReview
	if strict, err := kjson.UnmarshalStrict(text, &got); err != nil || len(strict) > 0 || !utf8.Valid(text) {
		t.Fatalf("%v %v: %s", err, strict, text)
	}
	r := got.Response
	switch {
	case got.APIVersion != "admission.k8s.io/v1" || got.Kind != "AdmissionReview" || got.Request != nil || r == nil || r.UID == "":
		t.Fatalf("no answer: %s", text)
	case (r.Patch == nil) != (r.PatchType == nil):
		t.Fatalf("a patch without its type, or the type without: %s", text)
	case r.Allowed != (r.Result == nil):
		t.Fatalf("allowed is %v with the result %+v", r.Allowed, r.Result)
	case !r.Allowed && (r.Result.Message == "" || r.Result.Code != http.StatusForbidden || strings.ContainsFunc(r.Result.Message, unprintable)):
		t.Fatalf("refused with %+v", r.Result)
	}
	for _, warning := range r.Warnings {
		if warning == "" || utf8.RuneCountInString(warning) > decision.MaxWarning || strings.ContainsFunc(warning, unicode.IsControl) {
			t.Fatalf("warning %q", warning)
		}
	}
	return r
}

func unprintable(c rune) bool { return unicode.IsControl(c) && c != '\n' }

// requestIn returns the request in a body, or nil if decoders may disagree about it.
func requestIn(data []byte) map[string]any {
	var whole map[string]any
	if strict, err := kjson.UnmarshalStrict(data, &whole); err != nil || len(strict) > 0 {
		return nil
	}
	request, _ := whole["request"].(map[string]any)
	return request
}

// decidable reports whether the library binds a policy to the request, if a person makes it.
func decidable(request map[string]any) bool {
	kind, _ := request["kind"].(map[string]any)
	user, _ := request["userInfo"].(map[string]any)
	sub := textAt(request, "subResource")
	served := map[string]string{"Pod": "", "Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "ReplicaSet": "apps", "Job": "batch", "CronJob": "batch"}
	group, known := served[textAt(kind, "kind")]
	return known && textAt(kind, "group") == group && !strings.HasPrefix(textAt(user, "username"), "system:") && (sub == "" || sub == "ephemeralcontainers" || sub == "resize") &&
		(request["operation"] == "CREATE" || request["operation"] == "UPDATE")
}

func textAt(object map[string]any, name string) string {
	text, _ := object[name].(string)
	return text
}

// canary stands for a secret value.
const canary = "5wordf1sh-c4nary"

// checkSecret replaces every value of a Secret with the canary, and searches for it in the answer and in the
// log.
func checkSecret(t *testing.T, handler realHandler, path string, request map[string]any) {
	t.Helper()
	kind, _ := request["kind"].(map[string]any)
	if textAt(kind, "kind") != "Secret" || strings.Contains(string(encode(t, request)), canary) {
		return
	}
	hidden := []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))}
	for _, name := range []string{"object", "oldObject"} {
		object, _ := request[name].(map[string]any)
		for _, field := range []string{"data", "stringData"} {
			values, ok := object[field].(map[string]any)
			if !ok && object[field] != nil {
				object[field] = canary
			}
			for key, value := range values {
				switch value.(type) {
				case string:
					values[key] = hidden[len(key)%2]
				default:
					values[key] = []any{hidden[0], map[string]any{hidden[1]: hidden[1]}}
				}
			}
		}
		metadata, _ := object["metadata"].(map[string]any)
		annotations, _ := metadata["annotations"].(map[string]any)
		if _, ok := annotations[corev1.LastAppliedConfigAnnotation]; ok {
			annotations[corev1.LastAppliedConfigAnnotation] = `{"data":{"a":"` + hidden[1] + `"},"stringData":{"b":"` + canary + `"}}`
		}
	}
	answer := handler.post(path, reviewOf(t, request))
	for _, value := range hidden {
		if strings.Contains(answer.Body.String(), value) || strings.Contains(handler.log.String(), value) {
			t.Fatalf("a value of a Secret is repeated: HTTP %d %s\nlog: %s", answer.Code, answer.Body, handler.log)
		}
	}
}
