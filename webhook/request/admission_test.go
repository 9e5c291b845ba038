package request_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func body(fields string) []byte {
	return []byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1",` +
		`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},` +
		`"requestKind":{"group":"","version":"v1","kind":"Pod"},"name":"web","namespace":"shop","operation":"CREATE",` +
		`"userInfo":{"username":"alice","uid":"7","groups":["dev","system:authenticated"],"extra":{"scopes":["x"]}},` + fields + `}}`)
}

const pod = `"object":{"metadata":{"name":"web"},"spec":{"containers":[{"name":"app","image":"nginx"}]}},"oldObject":null,"dryRun":true,"options":{}`

func TestReviewReadsARequest(t *testing.T) {
	r, err := request.Review(body(pod), decision.OriginValidating)
	if err != nil {
		t.Fatal(err)
	}
	if r.UID != "u-1" || r.Kind.Kind != "Pod" || r.Kind.Version != "v1" || r.Name != "web" || r.Namespace.Name != "shop" ||
		r.Operation != decision.Create || r.User.Name != "alice" || len(r.User.Groups) != 2 || !r.DryRun ||
		r.Origin != decision.OriginValidating || r.OldObject != nil {
		t.Errorf("got %+v", r)
	}
	if len(r.Workload.Containers) != 1 || r.Workload.Containers[0].Path != "spec.containers[0]" {
		t.Errorf("got %+v", r.Workload)
	}
}

func TestReviewKeepsGenerateName(t *testing.T) {
	fields := strings.Replace(pod, `"name":"web"}`, `"generateName":"web-"}`, 1)
	r, err := request.Review([]byte(strings.Replace(string(body(fields)), `"name":"web",`, `"name":"",`, 1)), decision.OriginMutating)
	if err != nil {
		t.Fatal(err)
	}
	if r.DisplayName() != "web-*" {
		t.Errorf("got %q", r.DisplayName())
	}
}

func TestReviewRefusesWhatIsNoReview(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "EOF"},
		"not JSON":         {"hello", "jsontext: invalid character 'h' at start of value"},
		"a list":           {"[]", "expected an object, found ["},
		"no request":       {`{"kind":"AdmissionReview"}`, "request is missing"},
		"truncated":        {string(body(pod)[:300]), "unexpected EOF"},
		"no object":        {string(body(`"dryRun":false`)), "request.object is missing"},
		"null object":      {string(body(`"object":null`)), "request.object is missing"},
		"object is a list": {string(body(`"object":[]`)), "the object is not a JSON object"},
		"a name twice":     {string(body(`"object":{"spec":{},"spec":{}}`)), `the name "spec" occurs twice in one object`},
		"no uid":           {strings.Replace(string(body(pod)), `"uid":"u-1",`, "", 1), "request.uid is missing"},
		"no operation":     {strings.Replace(string(body(pod)), `"operation":"CREATE",`, "", 1), "request.operation is missing"},
		"odd user":         {strings.Replace(string(body(pod)), `"username":"alice"`, `"username":7`, 1), "expected a string, found number"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := request.Review([]byte(c.text), decision.OriginValidating)
			if malformed, ok := errors.AsType[*request.MalformedError](err); !ok || !strings.Contains(malformed.Reason, c.want) || err.Error() != "malformed AdmissionReview: "+malformed.Reason {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

func TestReviewRefusesOddTypesOnTheWayToContainers(t *testing.T) {
	for path, object := range map[string]string{
		"spec":                     `{"spec":7}`,
		"spec.containers":          `{"spec":{"containers":{}}}`,
		"spec.containers[0]":       `{"spec":{"containers":["x"]}}`,
		"spec.initContainers[1]":   `{"spec":{"initContainers":[{"name":"a"},null]}}`,
		"spec.ephemeralContainers": `{"spec":{"ephemeralContainers":"x"}}`,
	} {
		_, err := request.Review(body(`"object":`+object), decision.OriginValidating)
		var bad *request.FieldError
		if !errors.As(err, &bad) || bad.Path != path {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestHostileDepthAndSizeAreRefusedByName(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	lists := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	big := fmt.Sprintf(`{"spec":{"x":%q}}`, strings.Repeat("x", request.MaxBytes))
	for name, test := range map[string]struct{ object, what string }{
		"depth of objects": {deep, "depth"},
		"depth of lists":   {`{"spec":` + lists + `}`, "depth"},
		"size":             {big, "size"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := body(`"object":` + test.object)
			if len(whole) > request.MaxBytes+1 {
				whole = whole[:request.MaxBytes+1] // the server reads no more than this
			}
			_, err := request.Review(whole, decision.OriginValidating)
			var limit *request.LimitError
			if !errors.As(err, &limit) || limit.What != test.what {
				t.Fatalf("got %v", err)
			}
			r := limit.Request
			if r == nil || r.UID != "u-1" || r.Name != "web" || r.Namespace.Name != "shop" || r.Kind.Kind != "Pod" || r.User.Name != "alice" {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestDepthLimitIsExact(t *testing.T) {
	nested := func(levels int) []byte {
		return body(`"object":` + strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1))
	}
	if _, err := request.Review(nested(request.MaxDepth), decision.OriginValidating); err != nil {
		t.Errorf("%d levels: %v", request.MaxDepth, err)
	}
	var limit *request.LimitError
	if _, err := request.Review(nested(request.MaxDepth+1), decision.OriginValidating); !errors.As(err, &limit) {
		t.Errorf("%d levels: %v", request.MaxDepth+1, err)
	}
}

func TestNumbersKeepTheirKind(t *testing.T) {
	r, err := request.Review(body(`"object":{"spec":{"i":9007199254740993,"f":0.5,"e":1e3}}`), decision.OriginValidating)
	if err != nil {
		t.Fatal(err)
	}
	spec := r.Object["spec"].(map[string]any)
	if spec["i"] != int64(9007199254740993) || spec["f"] != 0.5 || spec["e"] != float64(1000) {
		t.Errorf("got %#v", spec)
	}
}

func TestOtherOperationsAreNotLookedAt(t *testing.T) {
	for _, operation := range []string{"DELETE", "CONNECT"} {
		text := strings.Replace(string(body(`"object":null,"oldObject":{"spec":7}`)), "CREATE", operation, 1)
		r, err := request.Review([]byte(text), decision.OriginValidating)
		if err != nil || string(r.Operation) != operation || r.UID != "u-1" {
			t.Errorf("%s: got %+v, %v", operation, r, err)
		}
	}
	var malformed *request.MalformedError
	if _, err := request.Review([]byte(strings.Replace(string(body(pod)), `"operation":"CREATE",`, "", 1)), decision.OriginValidating); !errors.As(err, &malformed) {
		t.Errorf("no operation: got %v", err)
	}
}

func TestTooManyContainersAreRefusedByName(t *testing.T) {
	many := strings.Repeat(`{"name":"a"},`, request.MaxContainers) + `{"name":"b"}`
	_, err := request.Review(body(`"object":{"spec":{"containers":[`+many+`]}}`), decision.OriginValidating)
	var limit *request.LimitError
	if !errors.As(err, &limit) || limit.What != "containers" || limit.Request == nil || limit.Request.Name != "web" {
		t.Errorf("got %v", err)
	}
}

func TestLastApplied(t *testing.T) {
	secret := func(annotation string) *decision.LastApplied {
		text := strings.Replace(string(body(`"object":{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":`+annotation+`}}}`)), `"kind":"Pod"`, `"kind":"Secret"`, 1)
		r, err := request.Review([]byte(text), decision.OriginValidating)
		if err != nil {
			t.Fatal(err)
		}
		return r.LastApplied
	}
	for annotation, want := range map[string]*decision.LastApplied{
		`null`:    nil,
		`"{}"`:    {Readable: true, Data: map[string]string{}, StringData: map[string]string{}},
		`"hello"`: {}, `"[]"`: {}, `"{} {}"`: {}, `7`: {}, `"{}]"`: {}, `"{\"data\":{\"a\":\"x\"},\"data\":{}}"`: {},
		`"{\"data\":{\"a\":1e999999999,\"b\":\"x\",\"c\":null}}"`: {Readable: true, Data: map[string]string{"a": "1e999999999", "b": "x", "c": ""}, StringData: map[string]string{}},
		`"{\"stringData\":\"words\"}"`:                            {Readable: true, Data: map[string]string{}, StringData: map[string]string{"": "words"}},
	} {
		if diff := cmp.Diff(want, secret(annotation)); diff != "" {
			t.Errorf("%s: %s", annotation, diff)
		}
	}
}
