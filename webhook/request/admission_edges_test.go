package request_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

const whole = `{"response":{"a":[1]},"request":{"uid":"u-1","kind":{"group":"apps","version":"v1","kind":"Deployment","x":[{}]},"requestSubResource":"y",
"subResource":"scale","name":"web","namespace":"shop","operation":"UPDATE",
"userInfo":{"username":"alice","uid":"7","groups":["dev",7,"ops"],"extra":{"scopes":["x",null,"y"],"none":"z"},"more":{}},
"object":{"metadata":{"name":"web"}},"oldObject":{"metadata":{"name":"old"}},"dryRun":true,"options":null},"kind":"AdmissionReview"}`

func TestEveryFieldOfARequestIsRead(t *testing.T) {
	r, err := request.Review([]byte(whole), decision.OriginMutating)
	if err != nil {
		t.Fatal(err)
	}
	user := decision.User{Name: "alice", UID: "7", Groups: []string{"dev", "ops"}, Extra: map[string][]string{"scopes": {"x", "y"}, "none": nil}}
	if diff := cmp.Diff(user, r.User); diff != "" {
		t.Error(diff)
	}
	if r.UID != "u-1" || r.Kind != (schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}) || r.Subresource != "scale" || r.Name != "web" ||
		r.Namespace.Name != "shop" || r.Operation != decision.Update || !r.DryRun || r.Origin != decision.OriginMutating {
		t.Errorf("got %+v", r)
	}
	if name := func(object map[string]any) any { return object["metadata"].(map[string]any)["name"] }; name(r.Object) != "web" || name(r.OldObject) != "old" || name(r.Original) != "web" {
		t.Errorf("got %v, %v", r.Object, r.OldObject)
	}
	for dryRun, want := range map[string]bool{"true": true, "false": false, "null": false, `"true"`: false, "1": false} {
		r, err := request.Review([]byte(strings.Replace(whole, `"dryRun":true`, `"dryRun":`+dryRun, 1)), decision.OriginMutating)
		if err != nil || r.DryRun != want {
			t.Errorf("%s: got %v, %v", dryRun, r, err)
		}
	}
	r, err = request.Review([]byte(strings.Replace(whole, `"name":"web","namespace"`, `"namespace"`, 1)), decision.OriginMutating)
	if err != nil || r.Name != "web" {
		t.Errorf("a name that only the object has: got %+v, %v", r, err)
	}
	r, err = request.Review([]byte(strings.Replace(whole, `"group":"apps","version":"v1","kind":"Deployment"`, `"version":"v1","kind":"Namespace"`, 1)), decision.OriginMutating)
	if err != nil || r.Namespace.Name != "" {
		t.Errorf("a Namespace: got %+v, %v", r, err)
	}
}

// A count or a metric that keeps a name must not keep the body with it, which may have 8 MiB.
func TestWhatIdentifiesARequestIsCopied(t *testing.T) {
	for _, text := range []string{
		whole,
		strings.Replace(strings.Replace(whole, `"name":"web","namespace"`, `"namespace"`, 1), `{"metadata":{"name":"web"}}`, `{"metadata":{"name":"web","generateName":"web-"}}`, 1),
	} {
		body := []byte(text)
		r, err := request.Review(body, decision.OriginMutating)
		if err != nil {
			t.Fatal(err)
		}
		identity := func() string {
			return fmt.Sprintf("%q", []any{r.UID, r.Kind, r.Subresource, r.Name, r.GenerateName, r.Namespace.Name, r.Operation, r.User})
		}
		before := identity()
		for i := range body {
			body[i] = 'x'
		}
		if after := identity(); after != before {
			t.Errorf("got %s, then %s", before, after)
		}
	}
}

// A truncated review is rejected, wherever it ends.
func TestAReviewThatIsCutIsRefused(t *testing.T) {
	for end := range len(whole) {
		r, err := request.Review([]byte(whole[:end]), decision.OriginValidating)
		if _, ok := errors.AsType[*request.MalformedError](err); !ok || r != nil {
			t.Fatalf("%s: got %+v, %v", whole[:end], r, err)
		}
	}
}

// Fields that identify a request must be strings in the right place; nothing is guessed.
func TestOddTypesOfARequestAreRefused(t *testing.T) {
	for _, field := range []string{
		`"uid":"u-1"`, `"group":"apps"`, `"version":"v1"`, `"kind":"Deployment"`, `"subResource":"scale"`, `"name":"web","namespace"`, `"namespace":"shop"`,
		`"operation":"UPDATE"`, `"username":"alice"`, `"uid":"7"`,
	} {
		for _, value := range []string{"7", "[]", "{}", "null", "true"} {
			name, rest, _ := strings.Cut(field, ":")
			_, rest, more := strings.Cut(rest, ",")
			odd := name + ":" + value
			if more {
				odd += "," + rest
			}
			text := strings.Replace(whole, field, odd, 1)
			if text == whole {
				t.Fatalf("%s is not there", field)
			}
			if r, err := request.Review([]byte(text), decision.OriginValidating); err == nil {
				t.Errorf("%s: got %+v", odd, r)
			}
		}
	}
	for _, object := range []string{`"kind":{"group"`, `"userInfo":{"username"`, `"request":{"uid"`} {
		name, _, _ := strings.Cut(object, ":")
		for _, value := range []string{"7", "[]", `"x"`, "null", "true"} {
			text := strings.Replace(whole, object, name+":"+value+`,"x":{"y"`, 1)
			if r, err := request.Review([]byte(text), decision.OriginValidating); err == nil {
				t.Errorf("%s is %s: got %+v", name, value, r)
			}
		}
	}
	for _, field := range []string{`"object":{"metadata":{"name":"web"}}`, `"oldObject":{"metadata":{"name":"old"}}`} {
		name, _, _ := strings.Cut(field, ":")
		for _, value := range []string{"7", "[]", `"x"`, "true"} {
			if r, err := request.Review([]byte(strings.Replace(whole, field, name+":"+value, 1)), decision.OriginValidating); err == nil {
				t.Errorf("%s is %s: got %+v", name, value, r)
			}
		}
	}
}

// A request that exceeds the size limit is reported as too large and not as malformed, even if it ends before
// the object.
func TestALongRequestIsTooLarge(t *testing.T) {
	long := strings.Repeat("x", request.MaxBytes)
	for name, text := range map[string]string{
		"a long object":        strings.Replace(whole, `"name":"old"`, `"name":"`+long+`"`, 1),
		"a long name":          strings.Replace(whole, `"name":"web"`, `"name":"`+long+`"`, 1),
		"a long name, and cut": strings.Replace(whole, `"name":"web"`, `"name":"`+long+long, 1)[:request.MaxBytes+1],
	} {
		_, err := request.Review([]byte(text), decision.OriginValidating)
		if limit, ok := errors.AsType[*request.LimitError](err); !ok || limit.What != "size" || limit.Limit != request.MaxBytes {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// The same limits apply to objects of the cluster.
func TestALiveObjectIsHeldToTheLimits(t *testing.T) {
	kind := schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	nested := func(levels int, list bool) map[string]any {
		var value any = map[string]any{}
		for i := range levels - 1 {
			if list && i < levels-2 {
				value = []any{value}
			} else {
				value = map[string]any{"a": value}
			}
		}
		return value.(map[string]any)
	}
	for _, list := range []bool{false, true} {
		for levels, want := range map[int]string{request.MaxDepth: "", request.MaxDepth + 1: "depth"} {
			_, err := request.Live(nested(levels, list), kind)
			_, storedErr := request.Stored(&decision.Request{}, nested(levels, list), kind)
			for _, err := range []error{err, storedErr} {
				if limit, ok := errors.AsType[*request.LimitError](err); ok != (want != "") || ok && (limit.What != want || limit.Limit != request.MaxDepth) || !ok && err != nil {
					t.Errorf("%d levels, lists: %v: got %v", levels, list, err)
				}
			}
		}
	}
	r := &decision.Request{Origin: decision.OriginValidating, Namespace: decision.Namespace{Name: "shop", Known: true}, User: decision.User{Name: "alice"}}
	stored, err := request.Stored(r, map[string]any{"metadata": map[string]any{"name": "web", "namespace": "other"}}, kind)
	if err != nil || stored.Name != "web" || stored.Namespace.Name != "shop" || !stored.Namespace.Known || stored.User.Name != "alice" || stored.Origin != decision.OriginValidating || stored.Operation != decision.Create {
		t.Errorf("got %+v, %v", stored, err)
	}
	live, err := request.Live(map[string]any{"metadata": map[string]any{"name": "web", "namespace": "other"}}, kind)
	if err != nil || live.Name != "web" || live.Namespace.Name != "other" || live.Origin != decision.OriginLive || live.Kind != kind || live.Original == nil {
		t.Errorf("got %+v, %v", live, err)
	}
}

// Numbers in a revision are whole where the API server would write them so, and exact.
func TestNumbersOfARevision(t *testing.T) {
	template := request.RevisionTemplate(map[string]any{"data": map[string]any{"spec": map[string]any{"template": map[string]any{"$patch": "replace", "spec": map[string]any{
		"containers": []any{map[string]any{"name": "a", "tomorrow": []any{30.0, 0.5, -2.0, 1e300, 9007199254740991.0, 9007199254740992.0, -9007199254740992.0, "30.0"}}},
	}}}}})
	want := []any{int64(30), 0.5, int64(-2), 1e300, int64(9007199254740991), 9007199254740992.0, -9007199254740992.0, "30.0"}
	containers := template["spec"].(map[string]any)["containers"].([]any)
	if diff := cmp.Diff(want, containers[0].(map[string]any)["tomorrow"]); diff != "" {
		t.Error(diff)
	}
}

func TestHowManyPodsAreThere(t *testing.T) {
	object := map[string]any{"status": map[string]any{"currentNumberScheduled": int64(1), "active": int64(2), "replicas": int64(3), "desiredNumberScheduled": int64(4)}}
	for kind, want := range map[string]int64{"DaemonSet": 1, "Job": 2, "Deployment": 3, "StatefulSet": 3, "ReplicaSet": 3, "ReplicationController": 3} {
		if got := request.CurrentPods(object, kind); got != want {
			t.Errorf("%s: got %d", kind, got)
		}
		if got := request.CurrentPods(map[string]any{}, kind); got != 0 {
			t.Errorf("%s without a status: got %d", kind, got)
		}
	}
}
