package pipeline

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func podRequest(t fatal, spec string) *decision.Request {
	body := `{"request":{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},"name":"web","namespace":"shop","operation":"CREATE",` +
		`"userInfo":{"username":"alice"},"object":{"metadata":{"name":"web"},"spec":` + spec + `}}}`
	r, err := request.Review([]byte(body), decision.OriginMutating)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type fatal interface{ Fatal(args ...any) }

func newWish(guardrail string, mode decision.Mode, container, field, value string) proposal {
	return proposal{Policy: "inject-resources", Guardrail: guardrail, Mode: mode, Intent: decision.Intent{Container: container, Field: field, Value: value}}
}

func planOf(t fatal, r *decision.Request, wishes ...proposal) injectionPlan {
	p, err := planInjection(r, wishes)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// apply patches the object as the API server would.
func apply(t fatal, object map[string]any, operations []decision.PatchOperation) map[string]any {
	encoded, err := json.Marshal(operations)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonpatch.DecodePatch(encoded)
	if err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := decoded.Apply(document)
	if err != nil {
		t.Fatal(fmt.Sprintf("%v: %s on %s", err, encoded, document))
	}
	var after map[string]any
	if err := json.Unmarshal(patched, &after); err != nil {
		t.Fatal(err)
	}
	return after
}

func TestPatchCreatesOnlyMissingParents(t *testing.T) {
	for name, test := range map[string]struct {
		container string
		fields    []string
		want      string
	}{
		"no resources": {`{"name":"a"}`, []string{"resources.requests.cpu", "resources.limits.cpu"},
			`[{"op":"add","path":"/spec/containers/0/resources","value":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}}}]`},
		"null resources": {`{"name":"a","resources":null}`, []string{"resources.requests.cpu"},
			`[{"op":"add","path":"/spec/containers/0/resources","value":{"requests":{"cpu":"1"}}}]`},
		"no list": {`{"name":"a","resources":{"limits":{"memory":"1Gi"}}}`, []string{"resources.requests.cpu"},
			`[{"op":"add","path":"/spec/containers/0/resources/requests","value":{"cpu":"1"}}]`},
		"null list": {`{"name":"a","resources":{"requests":null}}`, []string{"resources.requests.cpu"},
			`[{"op":"add","path":"/spec/containers/0/resources/requests","value":{"cpu":"1"}}]`},
		"a list": {`{"name":"a","resources":{"requests":{"memory":"1Gi"}}}`, []string{"resources.requests.cpu"},
			`[{"op":"add","path":"/spec/containers/0/resources/requests/cpu","value":"1"}]`},
	} {
		r := podRequest(t, `{"containers":[`+test.container+`]}`)
		var wishes []proposal
		for _, field := range test.fields {
			wishes = append(wishes, newWish("g", decision.ModeEnforce, "a", field, "1"))
		}
		wishes = append(wishes, newWish("g", decision.ModeWarn, "a", "resources.limits.ephemeral-storage", "1"))
		got, err := json.Marshal(patchFor(r, planOf(t, r, wishes...).Enforced))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != test.want {
			t.Errorf("%s: got  %s\nwant %s", name, got, test.want)
		}
	}
}

func TestConflictingGuardrailsInjectNothing(t *testing.T) {
	r := podRequest(t, `{"containers":[{"name":"a"}]}`)
	p := planOf(t, r,
		newWish("one", decision.ModeEnforce, "a", "resources.requests.cpu", "100m"),
		newWish("two", decision.ModeEnforce, "a", "resources.requests.cpu", "200m"),
		newWish("two", decision.ModeEnforce, "a", "resources.requests.memory", "1Gi"))
	if len(p.Fills) != 1 || p.Fills[0].Field != "resources.requests.memory" {
		t.Errorf("got %+v", p.Fills)
	}
	if len(p.Gaps) != 1 || !strings.Contains(p.Gaps[0].Reason, "one requires 100m and two requires 200m") {
		t.Errorf("got %+v", p.Gaps)
	}
}

func TestEqualQuantitiesInOtherWordsAgree(t *testing.T) {
	p := planOf(t, podRequest(t, `{"containers":[{"name":"a"}]}`),
		newWish("one", decision.ModeEnforce, "a", "resources.requests.memory", "1Gi"),
		newWish("two", decision.ModeEnforce, "a", "resources.requests.memory", "1024Mi"))
	if len(p.Fills) != 1 || len(p.Gaps) != 0 {
		t.Fatalf("got %+v", p)
	}
	if diff := cmp.Diff([]string{"one", "two"}, p.Fills[0].Guardrails); diff != "" {
		t.Error(diff)
	}
}

func TestAWeakerWishYieldsToAStricterOne(t *testing.T) {
	p := planOf(t, podRequest(t, `{"containers":[{"name":"a"}]}`),
		newWish("weak", decision.ModeWarn, "a", "resources.requests.cpu", "100m"),
		newWish("strict", decision.ModeEnforce, "a", "resources.requests.cpu", "200m"))
	if len(p.Fills) != 1 || p.Fills[0].Value != "200m" || p.Fills[0].Mode != decision.ModeEnforce || len(p.Gaps) != 0 {
		t.Errorf("got %+v", p)
	}
}

// A second pass injects nothing, and no existing value is changed.
func TestASecondPassChangesNothing(t *testing.T) {
	quantities := map[string][]string{"cpu": {"", "50m", "100m", "1"}, "memory": {"", "64Mi", "256Mi", "2Gi"}}
	property.Check(t, func(t *rapid.T) {
		draw := func(name string) string {
			return rapid.SampledFrom(quantities[strings.TrimPrefix(strings.TrimPrefix(name, "requests."), "limits.")]).Draw(t, name)
		}
		resources := map[string]map[string]string{"requests": {}, "limits": {}}
		for list := range resources {
			for _, name := range []string{"cpu", "memory"} {
				if value := draw(list + "." + name); value != "" {
					resources[list][name] = value
				}
			}
		}
		declared, _ := json.Marshal(resources)
		r := podRequest(t, `{"containers":[{"name":"a","resources":`+string(declared)+`},{"name":"b"}]}`)
		if rapid.Bool().Draw(t, "limit range") {
			ceiling := resource.MustParse("1Gi")
			r.Facts.LimitRanges = []*corev1.LimitRange{{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
				Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceMemory: ceiling},
			}}}}}
		}
		var wishes []proposal
		for _, container := range []string{"a", "b"} {
			for field, value := range map[string]string{
				"resources.requests.cpu": "100m", "resources.limits.cpu": "250m",
				"resources.requests.memory": "128Mi", "resources.limits.memory": "512Mi",
			} {
				wishes = append(wishes, newWish("g", decision.ModeEnforce, container, field, value))
			}
		}
		first := planOf(t, r, wishes...)
		after := apply(t, r.Original, patchFor(r, first.Enforced))
		spec, _ := json.Marshal(after["spec"])
		again := podRequest(t, string(spec))
		again.Facts = r.Facts
		if second := planOf(t, again, wishes...); len(second.Fills) > 0 {
			t.Fatalf("a second pass fills %+v after %+v", second.Fills, first.Fills)
		}
		kept := after["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)["resources"].(map[string]any)
		for list, values := range resources {
			for name, value := range values {
				if got := kept[list].(map[string]any)[name]; got != value {
					t.Fatalf("%s.%s was %s and is %v", list, name, value, got)
				}
			}
		}
	})
}
