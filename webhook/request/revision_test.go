package request_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func TestRevisionTemplateHasDefaults(t *testing.T) {
	revision := map[string]any{"data": map[string]any{"spec": map[string]any{"template": map[string]any{
		"$patch": "replace", "spec": map[string]any{"containers": []any{map[string]any{"name": "a", "readinessProbe": map[string]any{"httpGet": map[string]any{}}}}},
	}}}}
	before := runtime.DeepCopyJSON(revision)
	want := map[string]any{"spec": map[string]any{
		"restartPolicy": "Always", "terminationGracePeriodSeconds": int64(30),
		"containers": []any{map[string]any{"name": "a", "readinessProbe": map[string]any{
			"httpGet": map[string]any{"path": "/", "scheme": "HTTP"}, "initialDelaySeconds": int64(0), "timeoutSeconds": int64(1),
			"periodSeconds": int64(10), "successThreshold": int64(1), "failureThreshold": int64(3),
		}}},
	}}
	if diff := cmp.Diff(want, request.RevisionTemplate(revision)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(before, revision); diff != "" {
		t.Errorf("the revision was changed:\n%s", diff)
	}
}

// A revision is read like the StatefulSet controller reads it. If a policy might read something else, that is
// reported; if the controller cannot use the revision, there is nothing to report.
func TestRevisionsAreReadAsTheirControllerReadsThem(t *testing.T) {
	const good = `{"spec":{"containers":[{"name":"a","image":"a:1"}]}}`
	for name, test := range map[string]struct {
		data      string
		image     string
		ambiguous string
	}{
		"merged":                 {`{"spec":{"template":` + good + `}}`, "", "is merged"},
		"replaced":               {`{"spec":{"template":{"$patch":"replace",` + good[1:] + `}}`, "a:1", ""},
		"a field of tomorrow":    {`{"spec":{"template":{"$patch":"replace","spec":{"tomorrow":1,"containers":[{"name":"a","image":"a:1"}]}}}}`, "a:1", ""},
		"labels in two cases":    {`{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"a","App":"b"}},"spec":{"containers":[{"image":"a:1"}]}}}}`, "a:1", ""},
		"no patch":               {`[1]`, "", ""},
		"no template":            {`{"spec":{"replicas":1}}`, "", ""},
		"another sort":           {`{"spec":{"template":{"spec":{"containers":{"a":{}}}}}}`, "", ""},
		"Containers":             {`{"spec":{"template":{"spec":{"Containers":[{"image":"a"}]}}}}`, "", "in a different case"},
		"both":                   {`{"spec":{"template":{"spec":{"Containers":[{"image":"a"}],"containers":[{"image":"a:1"}]}}}}`, "", "in a different case"},
		"Spec":                   {`{"Spec":{"template":` + good + `}}`, "", "in a different case"},
		"TEMPLATE":               {`{"spec":{"TEMPLATE":` + good + `}}`, "", "in a different case"},
		"a long s":               {`{"spec":{"template":{"spec":{"containerſ":[{"image":"a"}]}}}}`, "", "in a different case"},
		"a Kelvin sign":          {`{"spec":{"template":{"spec":{"containers":[{"image":"a:1","volumeDevices":[{"name":"a","devicePath":"b"}],"envFrom":[],"wor\u212aingDir":"/"}]}}}}`, "", "in a different case"},
		"a directive":            {`{"spec":{"template":{"spec":{"containers":[{"name":"a","$patch":"delete"}]}}}}`, "", `"$patch"`},
		"another place for it":   {`{"spec":{"$patch":"replace","template":` + good + `}}`, "", `"$patch"`},
		"not to replace":         {`{"spec":{"template":{"$patch":"merge",` + good[1:] + `}}`, "", `"$patch"`},
		"an order":               {`{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a","image":"a:1"}]}}}}`, "", "$setElementOrder"},
		"a part":                 {`{"spec":{"template":{"spec":{"hostNetwork":true}}}}`, "", "a part of a Pod template"},
		"claims":                 {`{"spec":{"volumeClaimTemplates":[{"metadata":{"name":"a"}}],"template":` + good + `}}`, "", "volumeClaimTemplates"},
		"claims only":            {`{"spec":{"volumeClaimTemplates":[{"metadata":{"name":"a"}}]}}`, "", "volumeClaimTemplates"},
		"a container of nothing": {`{"spec":{"template":{"$patch":"replace","spec":{"containers":[null,{"name":"a","image":"a"}]}}}}`, "", "policies cannot read"},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"request":{"uid":"u","kind":{"group":"apps","version":"v1","kind":"ControllerRevision"},"operation":"CREATE","namespace":"shop","object":{"metadata":{"name":"a-1"},"data":` + test.data + `}}}`
			r, err := request.Review([]byte(body), decision.OriginValidating)
			if err != nil {
				t.Fatal(err)
			}
			var image string
			if r.Revision != nil {
				image = r.Revision.Workload.Containers[0].Image.Reference
			}
			if image != test.image {
				t.Errorf("it has the image %q, want %q", image, test.image)
			}
			if !strings.Contains(r.Ambiguous, test.ambiguous) || (r.Ambiguous != "") != (test.ambiguous != "") {
				t.Errorf("it is said to be ambiguous for %q, want %q", r.Ambiguous, test.ambiguous)
			}
		})
	}
}

// The garbage collector removes an owner that does not exist, and a StatefulSet adopts the revision. So a
// built-in owner does not make a partial template harmless.
func TestAPartOfATemplateIsAmbiguousForEveryOwnerThatCanBeLost(t *testing.T) {
	for owner, ambiguous := range map[string]bool{
		`"apiVersion":"apps/v1","kind":"DaemonSet"`:         true,
		`"apiVersion":"apps/v1","kind":"Deployment"`:        true,
		`"apiVersion":"apps/v1","kind":"StatefulSet"`:       true,
		`"apiVersion":"kubevirt.io/v1","kind":"AnyMachine"`: false,
	} {
		for _, data := range []string{
			`{"spec":{"template":{"spec":{"hostPID":true}}}}`, `{"spec":{"volumeClaimTemplates":[{"metadata":{"name":"a"}}]}}`,
			`{"spec":{"template":{"spec":{"volumes":[{"name":"a","hostPath":{"path":"/"}}]}}}}`,
		} {
			kept := `{"metadata":{"name":"a-1","ownerReferences":[{` + owner + `,"name":"a","uid":"1","controller":true}]},"data":` + data + `}`
			lost := `{"metadata":{"name":"a-1"},"data":` + data + `}`
			body := `{"request":{"uid":"u","kind":{"group":"apps","version":"v1","kind":"ControllerRevision"},"operation":"UPDATE","namespace":"shop","object":` + lost + `,"oldObject":` + kept + `}}`
			r, err := request.Review([]byte(body), decision.OriginValidating)
			if err != nil {
				t.Fatal(err)
			}
			if r.Ambiguous == "" || (r.OldAmbiguous != "") != ambiguous {
				t.Errorf("%s, %s: %q, and before %q", owner, data, r.Ambiguous, r.OldAmbiguous)
			}
		}
	}
}

// The revisions of other kinds are left to their controllers, unless they contain a Pod.
func TestOtherKindsRevisionsAreTheirControllers(t *testing.T) {
	for data, ambiguous := range map[string]bool{
		`{"spec":{"template":{"spec":{"domain":{},"terminationGracePeriodSeconds":0}}}}`: false,
		`{"spec":{"$patch":"replace","anything":[]}}`:                                    false,
		`{"spec":{"template":{"spec":{"Containers":[{"image":"a"}]}}}}`:                  true,
	} {
		body := `{"request":{"uid":"u","kind":{"group":"apps","version":"v1","kind":"ControllerRevision"},"operation":"CREATE","namespace":"shop","object":{"metadata":{"name":"a-1",` +
			`"ownerReferences":[{"apiVersion":"kubevirt.io/v1","kind":"VirtualMachine","name":"a","uid":"1","controller":true}]},"data":` + data + `}}}`
		r, err := request.Review([]byte(body), decision.OriginValidating)
		if err != nil {
			t.Fatal(err)
		}
		if r.Revision != nil || (r.Ambiguous != "") != ambiguous {
			t.Errorf("%s: got %+v, %q", data, r.Revision, r.Ambiguous)
		}
	}
}

// Quantities are parsed as the controller's decoder parses them.
func TestQuantitiesInRevisionsMayHaveBlanksAroundThem(t *testing.T) {
	template := request.RevisionTemplate(map[string]any{"data": map[string]any{"spec": map[string]any{"template": map[string]any{"$patch": "replace", "spec": map[string]any{
		"terminationGracePeriodSeconds": 30.0,
		"containers":                    []any{map[string]any{"name": "a", "resources": map[string]any{"limits": map[string]any{"cpu": " 2 ", "memory": "\u00a01Gi"}}}},
	}}}}})
	want := map[string]any{"spec": map[string]any{
		"restartPolicy": "Always", "terminationGracePeriodSeconds": int64(30),
		"containers": []any{map[string]any{"name": "a", "resources": map[string]any{"limits": map[string]any{"cpu": "2", "memory": "1Gi"}}}},
	}}
	if diff := cmp.Diff(want, template); diff != "" {
		t.Error(diff)
	}
}

// Duplicate names in an object are recorded; duplicates that no API server can have sent make the review
// malformed.
func TestNamesThatComeTwiceAreRemembered(t *testing.T) {
	review := func(object, old string) (*decision.Request, error) {
		return request.Review([]byte(`{"request":{"uid":"u","kind":{"group":"example.com","version":"v1","kind":"Thing"},"operation":"UPDATE","object":`+object+`,"oldObject":`+old+`}}`), decision.OriginValidating)
	}
	for object, ambiguous := range map[string]string{
		`{"data":{"a":1,"b":2}}`:              "",
		`{"data":{"a":1,"a":2}}`:              `the name "a" occurs twice in one object`,
		`{"data":[{"x":{"a":1,"\u0061":2}}]}`: `the name "a" occurs twice in one object`,
		`{"data":1e999}`:                      "a number is too large for any decoder",
		"{\"data\":\"\xff\"}":                 "",
		`{"data":"\ud800"}`:                   "",
	} {
		r, err := review(object, `{}`)
		if err != nil || r.Ambiguous != ambiguous || r.OldAmbiguous != "" {
			t.Errorf("%s: got %v, %+v", object, err, r)
		}
		if r, err = review(`{}`, object); err != nil || r.OldAmbiguous != ambiguous || r.Ambiguous != "" {
			t.Errorf("old %s: got %v, %+v", object, err, r)
		}
	}
}

// SameTemplate agrees with Kubernetes about which templates are the same.
func TestSameTemplate(t *testing.T) {
	template := func(text string) map[string]any {
		r, err := request.Review([]byte(`{"request":{"uid":"u","kind":{"group":"example.com","version":"v1","kind":"Thing"},"operation":"CREATE","object":`+text+`}}`), decision.OriginValidating)
		if err != nil {
			t.Fatal(err)
		}
		return r.Object
	}
	const base = `{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"a","image":"a:1","readinessProbe":{"httpGet":{"port":80}},"resources":{"limits":{"cpu":"1.5"}}}]}}`
	for text, same := range map[string]bool{
		base: true,
		strings.Replace(base, `"labels"`, `"creationTimestamp":null,"labels"`, 1):                                          true,
		strings.Replace(base, `"app":"a"`, `"app":"a","hash":"1"`, 1):                                                      true,
		strings.Replace(base, `"app":"a"`, `"app":"a","other":"1"`, 1):                                                     false,
		strings.Replace(base, `"port":80`, `"port":80,"path":"/","scheme":"HTTP"`, 1):                                      true,
		strings.Replace(base, `"port":80`, `"port":"80"`, 1):                                                               false,
		strings.Replace(base, `{"httpGet"`, `{"initialDelaySeconds":0,"timeoutSeconds":1,"httpGet"`, 1):                    true,
		strings.Replace(base, `{"httpGet"`, `{"initialDelaySeconds":1,"httpGet"`, 1):                                       false,
		strings.Replace(base, `"1.5"`, `"1500m"`, 1):                                                                       true,
		strings.Replace(base, `"1.5"`, `"1501m"`, 1):                                                                       false,
		strings.Replace(base, `"image":"a:1"`, `"image":"a:1","tomorrow":1`, 1):                                            false,
		strings.Replace(base, `"image":"a:1"`, `"image":"a:1","tomorrow":0`, 1):                                            true,
		strings.Replace(base, `"spec":{`, `"spec":{"serviceAccountName":"a",`, 1):                                          false,
		strings.Replace(base, `"spec":{`, `"spec":{"nodeSelector":{},"dnsPolicy":"ClusterFirst","securityContext":{},`, 1): true,
		strings.Replace(base, `"image":"a:1"`, `"image":"a:1","tomorrow":[],"then":{},"also":""`, 1):                       true,
		strings.Replace(base, `"image":"a:1"`, `"image":"a:1","tomorrow":[0]`, 1):                                          false,
		strings.Replace(base, `"image":"a:1"`, `"image":"a:1","env":[{"name":"A","tomorrow":1}]`, 1):                       false,
		strings.Replace(base, `"limits":{`, `"limits":{"memory":"1e99999999999",`, 1):                                      false,
		strings.Replace(base, `"image":"a:1"`, `"image":7`, 1):                                                             false,
		`{}`: false,
	} {
		if got := request.SameTemplate(template(text), template(base), "hash"); got != same {
			t.Errorf("%s, the other way: got %v", text, got)
		}
		readable := text != `{}` && !strings.Contains(text, "99999999999") && !strings.Contains(text, `"image":7`)
		if got := request.SameTemplate(template(text), template(text)); got != readable {
			t.Errorf("%s and itself: got %v", text, got)
		}
		if got := request.SameTemplate(template(base), template(text), "hash"); got != same {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

// Decoding such a quantity takes minutes, whatever its field is called.
func TestAnExponentInARevisionIsRefusedBeforeItIsDecoded(t *testing.T) {
	for _, data := range []string{
		`{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":" 1e-1000000000"}}}]}}}}`,
		`{"spec":{"template":{"spec":{"containers":[{"resources":{"REQUEST\u017f":{"cpu":"1e-1000000000"}}}]}}}}`,
		`{"spec":{"template":{"spec":{"volumes":[{"emptyDir":{"\u017fizeLimit":"1e-1000000000"}}],"containers":[]}}}}`,
		`{"spec":{"volumeClaimTemplates":[{"status":{"Capacity":{"storage":"1e-1000000000"}}}]}}`,
	} {
		body := `{"request":{"uid":"u","kind":{"group":"apps","version":"v1","kind":"ControllerRevision"},"operation":"CREATE","object":{"data":` + data + `}}}`
		_, err := request.Review([]byte(body), decision.OriginValidating)
		if limit, ok := errors.AsType[*request.LimitError](err); !ok || limit.What != "exponent" || limit.Request == nil {
			t.Errorf("%s: got %v", data, err)
		}
	}
}
