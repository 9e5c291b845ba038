package regotest_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/regotest"
	"taffrail.dev/webhook/request"
	"taffrail.dev/webhook/yamldoc"
)

// odd returns a value that takes the place of another one in a mutant. It is new each time: mutants are changed again.
func odd(random *rand.Rand) any {
	all := []any{
		nil, true, false, "", "x", "a=b", "0", "-5", "100m", "1Gi", "128", "é", "\x00", int64(0), int64(-1), int64(1), int64(30), int64(1 << 62), 1.5, 1e300, math.Copysign(0, -1), 3.0, 1e6,
		json.Number("12345678901234567890.5"), []any{}, []any{nil}, []any{"sh", "-c", "sleep 5"}, []any{"sh", "-c", "while true; do sleep 1; done"}, []any{int64(1), "a"},
		map[string]any{}, map[string]any{"a": int64(1)}, map[string]any{"password": "hunter2"}, "password=hunter2", "sleep 5", "*/5 * * * *", "latest", "nginx@sha256:0",
		[]any{map[string]any{}}, "--token=abc", map[string]any{"name": "x", "value": "AKIAIOSFODNN7EXAMPLE"},
	}
	return all[random.IntN(len(all))]
}

// mutant returns a value with a part of it left out or replaced. It may change v.
func mutant(random *rand.Rand, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 || random.IntN(12) == 0 {
			return odd(random)
		}
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names) // so that a seed makes the same mutants again
		name := names[random.IntN(len(names))]
		switch random.IntN(8) {
		case 0:
			delete(v, name)
		case 1:
			v[name] = odd(random)
		default:
			v[name] = mutant(random, v[name])
		}
		return v
	case []any:
		if len(v) == 0 || random.IntN(10) == 0 {
			return odd(random)
		}
		i := random.IntN(len(v))
		v[i] = mutant(random, v[i])
		return v
	}
	return odd(random)
}

// differ decides a request with both engines, and returns how many findings, intents and errors there are.
func differ(t *testing.T, all everyPolicy, r *decision.Request) (found int) {
	t.Helper()
	want, err := all.program.WithEngine(rego.EngineTopdown).Evaluate(t.Context(), r, all.instances, rego.Both)
	if err != nil {
		t.Fatal(err)
	}
	got, err := all.program.Evaluate(t.Context(), r, all.instances, rego.Both)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		found += len(want[i].Violations) + len(want[i].Intents)
		if want[i].Err != nil {
			found++
		}
		if !sameResults(t, want[i], got[i]) {
			object, err := json.Marshal(r.Object)
			t.Fatalf("%s: %s %v", all.ids[i], object, err)
		}
	}
	return found
}

// TestEnginesAgreeOnMutants changes the objects of cases at random.
func TestEnginesAgreeOnMutants(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	all := everything(t, catalog)
	var cases []*regotest.Case
	for _, policy := range catalog.Policies() {
		cases = append(cases, loadCases(t)[policy.ID]...)
	}
	seed := uint64(time.Now().UnixNano()) // any will do
	random := rand.New(rand.NewPCG(seed, 0))
	decided, refused, found := 0, 0, 0
	for range 1500 {
		c := *cases[random.IntN(len(cases))]
		object, ok := changed(t, random, c.Object).(map[string]any)
		if !ok {
			refused++
			continue
		}
		if c.OldObject != nil && random.IntN(2) == 0 {
			if old, ok := changed(t, random, c.OldObject).(map[string]any); ok {
				c.OldObject = old
			}
		}
		// Without a kind, an object is refused before any policy sees it.
		object["apiVersion"], object["kind"] = c.Object["apiVersion"], c.Object["kind"]
		r, err := c.Request(object)
		if err != nil {
			refused++
			continue
		}
		decided++
		found += differ(t, all, r)
		if t.Failed() {
			t.Fatalf("seed %d, mutant of %s", seed, c.Name)
		}
	}
	t.Logf("seed %d: %d objects with %d findings, intents and errors, %d refused", seed, decided, found, refused)
	if decided < 500 || found < 500 {
		t.Errorf("only %d objects were decided, with %d findings", decided, found)
	}
}

func changed(t *testing.T, random *rand.Rand, object map[string]any) any {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := utiljson.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	for range 1 + random.IntN(4) {
		v = mutant(random, v)
	}
	return v
}

// TestEnginesAgreeOnCharts decides everything that well-known charts consist of.
func TestEnginesAgreeOnCharts(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	all := everything(t, catalog)
	files, err := filepath.Glob("../../../test/testdata/charts/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	objects, found := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, chunk := range yamldoc.Split(text) {
			object := map[string]any{}
			asJSON, err := yaml.YAMLToJSON(chunk.Data)
			if err != nil || utiljson.Unmarshal(asJSON, &object) != nil {
				continue // a comment
			}
			r, err := request.Manifest(object, "shop")
			if err != nil {
				continue
			}
			objects++
			found += differ(t, all, r)
		}
	}
	t.Logf("%d objects with %d findings and intents", objects, found)
	if objects < 50 || found < 50 {
		t.Errorf("only %d objects with %d findings", objects, found)
	}
}

// FuzzEngines decides an object with both engines.
func FuzzEngines(f *testing.F) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		f.Fatal(err)
	}
	all := everything(f, catalog)
	for _, seed := range []string{
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"nginx"}]}}`,
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"nginx:1","command":["sh","-c","sleep 5; exec app --password=hunter2"],"lifecycle":{"preStop":{"exec":{"command":["sh","-c","sleep 10"]}}}}]}}}}`,
		`{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"a"},"spec":{"schedule":"*/5 * * * *","jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"nginx"}],"restartPolicy":"Never"}}}}}}`,
		`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"type":"LoadBalancer"}}`,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"password":"hunter2"}}`,
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"password":"aHVudGVyMg=="}}`,
		`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"a"},"spec":{"accessModes":["ReadWriteOnce"]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var object map[string]any
		if err := utiljson.Unmarshal(text, &object); err != nil {
			return
		}
		if r, err := request.Manifest(object, "shop"); err == nil {
			differ(t, all, r)
		}
	})
}
