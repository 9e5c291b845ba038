package request_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	"taffrail.dev/test/corpus"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
	"taffrail.dev/webhook/yamldoc"
)

func encode(tb testing.TB, value any) []byte {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// FuzzReview checks that every body results either in a complete request that matches the body, or in an error
// of a known type.
func FuzzReview(f *testing.F) {
	for _, object := range corpus.Objects(f, "../..") {
		kind, _ := object["kind"].(string)
		f.Add(bytes.Replace(body(`"object":`+string(encode(f, object))), []byte(`"kind":"Pod"`), []byte(`"kind":`+string(encode(f, kind))), 1))
	}
	f.Add(body(pod))
	f.Add(body(`"object":{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":1}}}]}}`))
	f.Add(bytes.Replace(body(pod+`,"oldObject":{"spec":{"initContainers":[{"restartPolicy":"Always"}]}}`), []byte("CREATE"), []byte("UPDATE"), 1))
	f.Add(bytes.Replace(body(`"object":{"data":{"spec":{"template":{"$patch":"replace","spec":{"containers":[{"name":"a","image":"b"}]}}}}}`),
		[]byte(`"group":"","version":"v1","kind":"Pod"`), []byte(`"group":"apps","version":"v1","kind":"ControllerRevision"`), 1))
	f.Add([]byte(`{"request":{"object":{}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := request.Review(data, decision.OriginValidating)
		again, errAgain := request.Review(data, decision.OriginValidating)
		if !reflect.DeepEqual(r, again) || !reflect.DeepEqual(err, errAgain) {
			t.Fatalf("the same body is read in two ways:\n%+v %v\n%+v %v", r, err, again, errAgain)
		}
		if err != nil {
			checkError(t, err, new(*request.MalformedError))
			return
		}
		if r.UID == "" || r.Operation == "" {
			t.Fatalf("half a request: %+v", r)
		}
		checkAgainstAnotherDecoder(t, data, r)
		if r.Operation != decision.Create && r.Operation != decision.Update {
			return
		}
		if r.Object == nil || corpus.Levels(r.Object) > request.MaxDepth || corpus.Levels(r.OldObject) > request.MaxDepth {
			t.Fatalf("an object of %d levels, an old one of %d", corpus.Levels(r.Object), corpus.Levels(r.OldObject))
		}
		checkWorkload(t, r)
		checkRevision(t, r)
		old, err := request.Old(r)
		switch {
		case err != nil:
			checkError(t, err)
		case (old == nil) != (r.OldObject == nil):
			t.Fatalf("the old object is %v, its request %+v", r.OldObject, old)
		case old != nil:
			checkWorkload(t, old)
		}
	})
}

// FuzzManifest checks that a manifest is either returned with defaults added and nothing else changed, or
// rejected with an error that names its field.
func FuzzManifest(f *testing.F) {
	for _, object := range corpus.Objects(f, "../..") {
		f.Add(encode(f, object))
	}
	for _, text := range []string{
		"{apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: 'nginx:1', resources: {limits: {cpu: 1, memory: 1Gi}, requests: null}}]}}",
		"{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: {spec: {template: {spec: {initContainers: [{restartPolicy: Always}]}}}}}}",
		"apiVersion: apps/v1\nkind: StatefulSet\nspec:\n  replicas: 3\n  template:\n    spec:\n      resources: {limits: {cpu: 2}}\n      ephemeralContainers: [{name: e}]\n",
		"{apiVersion: apps/v1, kind: ControllerRevision, data: {spec: {template: {$patch: replace, spec: {containers: [{name: a}]}}}}}",
		"{apiVersion: v1, kind: Secret, stringData: {a: b}, data: {a: Yw==}}",
		"{apiVersion: v1, kind: ReplicationController, spec: {template: {spec: {containers: [{livenessProbe: {httpGet: {port: 1}}}]}}}}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, chunk := range yamldoc.Split(data) {
			parsed, err := yamldoc.Parse(chunk)
			if err != nil {
				continue
			}
			if object, ok := parsed.Value.(map[string]any); ok {
				checkManifest(t, object)
			}
		}
	})
}

func checkManifest(t *testing.T, object map[string]any) {
	t.Helper()
	before := runtime.DeepCopyJSON(object)
	r, err := request.Manifest(object, "fallback")
	if diff := cmp.Diff(before, object); diff != "" {
		t.Fatalf("the manifest itself was changed:\n%s", diff)
	}
	if err != nil {
		checkError(t, err)
		return
	}
	if !reflect.DeepEqual(r.Original, object) || corpus.Levels(object) > request.MaxDepth {
		t.Fatalf("the original has %d levels and is %v", corpus.Levels(r.Original), r.Original)
	}
	checkWorkload(t, r)
	checkRevision(t, r)
	checkDefaults(t, r)
	checkKept(t, r)
	second, err := request.Manifest(r.Object, "fallback")
	if err != nil {
		t.Fatalf("a second pass fails: %v", err)
	}
	if diff := cmp.Diff(r.Object, second.Object); diff != "" {
		t.Fatalf("a second pass changes the object:\n%s", diff)
	}
	if diff := cmp.Diff(r.Workload, second.Workload); diff != "" {
		t.Fatalf("a second pass changes the workload:\n%s", diff)
	}
}

// checkError accepts the errors that callers can handle.
func checkError(t *testing.T, err error, also ...any) {
	t.Helper()
	for _, known := range append(also, new(*request.LimitError), new(*request.FieldError)) {
		if errors.As(err, known) {
			return
		}
	}
	t.Fatalf("an error that nobody knows: %#v", err)
}

// checkAgainstAnotherDecoder compares with Kubernetes' own JSON decoder, for objects without duplicate names.
func checkAgainstAnotherDecoder(t *testing.T, data []byte, r *decision.Request) {
	t.Helper()
	var whole map[string]any
	if strict, err := kjson.UnmarshalStrict(data, &whole); err != nil || len(strict) > 0 {
		return
	}
	request, _ := whole["request"].(map[string]any)
	if request["uid"] != r.UID || request["operation"] != string(r.Operation) {
		t.Fatalf("read %+v from %v", r, request)
	}
	for name, got := range map[string]map[string]any{"object": r.Object, "oldObject": r.OldObject} {
		want, _ := request[name].(map[string]any)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s:\n%s", name, diff)
		}
	}
}

// checkWorkload checks that the reported containers are those of the object.
func checkWorkload(t *testing.T, r *decision.Request) {
	t.Helper()
	if r.Workload == nil {
		return
	}
	if r.Workload.Pod == nil || len(r.Workload.Containers) > request.MaxContainers {
		t.Fatalf("%d containers in %v", len(r.Workload.Containers), r.Workload.Pod)
	}
	seen := map[string]bool{}
	for i := range r.Workload.Containers {
		c := &r.Workload.Containers[i]
		found, ok := follow(r.Object, c.Path).(map[string]any)
		if !ok || reflect.ValueOf(found).Pointer() != reflect.ValueOf(c.Spec).Pointer() {
			t.Fatalf("%s does not lead to the container %v", c.Path, c.Spec)
		}
		if seen[c.Path] {
			t.Fatalf("two containers at %s", c.Path)
		}
		seen[c.Path] = true
		if c.Image.Valid != (c.Image.Repository != "") || !c.Image.Valid && c.Image.Tag+c.Image.Digest != "" {
			t.Fatalf("half an image: %+v", c.Image)
		}
	}
}

// checkRevision checks that a ControllerRevision with a revised form has a Pod in it.
func checkRevision(t *testing.T, r *decision.Request) {
	t.Helper()
	if r.Revision == nil {
		return
	}
	if r.Revision.Workload == nil || r.Revision.Revision != nil || r.Workload != nil || !request.IsRevision(r.Kind.GroupKind()) {
		t.Fatalf("%+v is decided as %+v", r, r.Revision)
	}
	checkWorkload(t, r.Revision)
}

// follow returns the value at a path such as spec.containers[0], or nil if it does not exist.
func follow(value any, path string) any {
	for _, step := range strings.FieldsFunc(path, func(c rune) bool { return strings.ContainsRune(".[]", c) }) {
		switch at := value.(type) {
		case map[string]any:
			value = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(at) {
				return nil
			}
			value = at[i]
		default:
			return nil
		}
	}
	return value
}

// checkDefaults checks that no field that policies read is left for the API server to default.
func checkDefaults(t *testing.T, r *decision.Request) {
	t.Helper()
	set := func(object map[string]any, names ...string) {
		t.Helper()
		for _, name := range names {
			if object != nil && object[name] == nil {
				t.Fatalf("%s %s has no default in %v", r.Kind.Kind, name, object)
			}
		}
	}
	switch spec, _ := r.Object["spec"].(map[string]any); {
	case r.Kind.Group == "" && r.Kind.Kind == "Service":
		set(spec, "type")
	case r.Kind.Group == "" && r.Kind.Kind == "Secret":
		set(r.Object, "type")
	case r.Workload != nil && r.Kind.Kind == "CronJob":
		set(spec, "concurrencyPolicy")
	case r.Workload != nil && r.Kind.Kind == "Job":
		set(spec, "backoffLimit")
	case r.Workload != nil && r.Workload.Template && r.Kind.Kind != "DaemonSet":
		set(spec, "replicas")
	}
	if r.Workload == nil {
		return
	}
	spec, _ := r.Workload.Pod["spec"].(map[string]any)
	set(spec, "restartPolicy", "terminationGracePeriodSeconds")
	for i := range r.Workload.Containers {
		c := &r.Workload.Containers[i]
		if c.Type == decision.ContainerEphemeral {
			continue
		}
		for _, name := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
			probe, _ := c.Spec[name].(map[string]any)
			set(probe, "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
		}
		requests, odd := follow(c.Spec, "resources.requests"), false
		if _, ok := requests.(map[string]any); !ok && requests != nil {
			odd = true
		}
		for name := range c.Declared.Limits {
			if _, requested := c.Declared.Requests[name]; !requested && !r.Workload.Template && !odd {
				t.Fatalf("%s: the limit on %s did not become a request", c.Path, name)
			}
		}
	}
}

// checkKept checks that defaults were added, and that nothing was removed or replaced.
func checkKept(t *testing.T, r *decision.Request) {
	t.Helper()
	original := r.Original
	if r.Kind.Group == "" && r.Kind.Kind == "Secret" {
		original = runtime.DeepCopyJSON(original)
		text, _ := original["stringData"].(map[string]any)
		data, _ := original["data"].(map[string]any)
		for name, value := range text {
			delete(data, name)
			plain, _ := value.(string)
			if follow(r.Object, "data") == nil || r.Object["data"].(map[string]any)[name] != base64.StdEncoding.EncodeToString([]byte(plain)) {
				t.Fatalf("stringData[%s] is not in data", name)
			}
		}
		delete(original, "stringData")
		if _, left := r.Object["stringData"]; left {
			t.Fatal("stringData is still there")
		}
	}
	original = runtime.DeepCopyJSON(original)
	dropZeros(original)
	if !corpus.Within(original, r.Object) {
		t.Fatalf("defaults replaced a value:\n%s", cmp.Diff(original, r.Object))
	}
}

// dropZeros removes zeros that the API server treats as missing: those of probe fields with a default.
func dropZeros(value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if probe, ok := member.(map[string]any); ok && strings.HasSuffix(name, "Probe") {
				for _, field := range []string{"timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"} {
					if probe[field] == int64(0) {
						delete(probe, field)
					}
				}
			}
			dropZeros(member)
		}
	case []any:
		for _, element := range value {
			dropZeros(element)
		}
	}
}
