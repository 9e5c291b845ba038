package pipeline

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"math/big"
	"path"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/engine"
	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/review"
)

// testCase is one file of policies/*/*/cases, as AUTHORING.md describes it.
type testCase struct {
	Name           string                                   `json:"name"`
	Object         map[string]any                           `json:"object"`
	OldObject      map[string]any                           `json:"oldObject"`
	Operation      review.Operation                         `json:"operation"`
	Origin         review.Origin                            `json:"origin"`
	User           userCase                                 `json:"user"`
	Namespace      namespaceCase                            `json:"namespace"`
	Parameters     map[string]any                           `json:"parameters"`
	LimitRanges    []*corev1.LimitRange                     `json:"limitRanges"`
	Quotas         []*corev1.ResourceQuota                  `json:"resourceQuotas"`
	Autoscalers    []*autoscalingv2.HorizontalPodAutoscaler `json:"horizontalPodAutoscalers"`
	Claims         []*corev1.PersistentVolumeClaim          `json:"persistentVolumeClaims"`
	StorageClasses []*storagev1.StorageClass                `json:"storageClasses"`
	Findings       *[]findingCase                           `json:"findings"`
	Intents        []intentCase                             `json:"intents"`
}

type userCase struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
}

type namespaceCase struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

// findingCase is what a case says of a finding. Key, Excess, Fix and Tolerated are compared
// where the case names them.
type findingCase struct {
	Container string                   `json:"container"`
	Path      string                   `json:"path"`
	Message   string                   `json:"message"`
	Key       string                   `json:"key"`
	Excess    json.Number              `json:"excess"`
	AtMost    string                   `json:"at_most"`
	Unknown   string                   `json:"unknown"`
	Fix       *[]review.PatchOperation `json:"fix"`
	Tolerated *bool                    `json:"tolerated"`
}

type intentCase struct {
	Container string `json:"container"`
	Field     string `json:"field"`
	Value     string `json:"value"`
}

// TestCases decides every case of the library, with OPA's rule indexer and without.
func TestCases(t *testing.T) {
	catalog, err := engine.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	all := loadCases(t)
	for id := range all {
		if _, ok := catalog.Policy(id); !ok {
			t.Errorf("there are cases for %s, but no such policy", id)
		}
	}
	for _, policy := range catalog.Policies() {
		count := caseCount{kinds: map[schema.GroupKind]bool{}}
		file := sourceOf(t, policy)
		alone := load(t, file, source(t, file)) // compiles faster than all of them
		for _, c := range all[policy.ID] {
			count.add(c)
			t.Run(policy.ID+"/"+c.Name, func(t *testing.T) { c.run(t, alone, policy) })
		}
		if count.finding == 0 || count.clean == 0 {
			t.Errorf("%s has %d cases with a finding and %d clean ones: it needs both", policy.ID, count.finding, count.clean)
		}
		for _, kind := range policy.Kinds {
			if !count.kinds[kind] {
				t.Errorf("%s has no case of a %s with a finding", policy.ID, kind)
			}
		}
	}
}

// loadCases reads the cases of all policies, by the policy's id.
func loadCases(t *testing.T) map[string][]*testCase {
	t.Helper()
	all := map[string][]*testCase{}
	err := fs.WalkDir(policies.FS, ".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(file) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(policies.FS, file)
		if err != nil {
			return err
		}
		id := strings.ReplaceAll(path.Base(path.Dir(path.Dir(file))), "_", "-")
		for i, document := range strings.Split("\n"+string(text), "\n---\n") {
			c := &testCase{}
			if err := yaml.UnmarshalStrict([]byte(document), c); err != nil {
				t.Errorf("%s, document %d: %v", file, i+1, err)
				continue
			}
			if c.Name == "" || c.Findings == nil {
				t.Errorf("%s, document %d: needs a name and findings", file, i+1)
				continue
			}
			all[id] = append(all[id], c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// caseCount is what the cases of one policy cover.
type caseCount struct {
	finding, clean int
	kinds          map[schema.GroupKind]bool // with a finding
}

func (n *caseCount) add(c *testCase) {
	if len(*c.Findings)+len(c.Intents) == 0 {
		n.clean++
		return
	}
	n.finding++
	object := unstructured.Unstructured{Object: c.Object}
	n.kinds[object.GroupVersionKind().GroupKind()] = true
}

func (c *testCase) run(t *testing.T, catalog *engine.Catalog, policy *engine.Policy) {
	program, request := c.compile(t, catalog, policy), c.request(t)
	for name, p := range map[string]*engine.Program{"indexed": program, "not indexed": program.WithoutRuleIndexing()} {
		result := evaluate(t, p, request, engine.Both)
		if result.Err != nil {
			t.Fatalf("%s: %v", name, result.Err)
		}
		if diff := c.compare(result); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	found := evaluate(t, program, request, engine.Deny)
	c.checkRatchet(t, program, request, found)
	for _, violation := range found.Violations {
		if len(violation.Fix) > 0 {
			c.checkFix(t, program, request, violation)
		}
	}
}

// checkRatchet compares what the old object has already with what the case says of it.
func (c *testCase) checkRatchet(t *testing.T, program *engine.Program, request *review.Request, found review.Result) {
	t.Helper()
	old, err := normalize.Old(request)
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range *c.Findings {
		if wanted.Tolerated == nil {
			continue
		}
		if old == nil {
			t.Fatal("the case says what is tolerated, and has no oldObject")
		}
		predictPods(old, itself, enrich(old), nil)
		before := evaluate(t, program, old, engine.Deny)
		for i, tolerated := range guardrail.Tolerated(&before, &found) {
			v := &found.Violations[i]
			if v.Path == wanted.Path && v.Message == wanted.Message && tolerated != *wanted.Tolerated {
				t.Errorf("tolerated is not %v, though the old object has %+v: %+v", *wanted.Tolerated, before.Violations, *v)
			}
		}
	}
}

func (c *testCase) compile(t *testing.T, catalog *engine.Catalog, policy *engine.Policy) *engine.Program {
	t.Helper()
	parameters, bad := policy.CheckParameters(c.Parameters, field.NewPath("parameters"))
	if len(bad) > 0 {
		t.Fatal(bad.ToAggregate())
	}
	program, err := engine.Compile(catalog, []engine.Slot{{Policy: policy.ID, Parameters: parameters}})
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func evaluate(t *testing.T, program *engine.Program, request *review.Request, part engine.Part) review.Result {
	t.Helper()
	results, err := program.Evaluate(t.Context(), request, []int{0}, part)
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// checkFix applies what a finding proposes to the object as its writer has it, and
// decides again.
func (c *testCase) checkFix(t *testing.T, program *engine.Program, request *review.Request, violation review.Violation) {
	t.Helper()
	object, err := json.Marshal(request.Original)
	if err != nil {
		t.Fatal(err)
	}
	operations, err := json.Marshal(violation.Fix)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		t.Fatal(err)
	}
	if object, err = patch.Apply(object); err != nil {
		t.Errorf("the fix %s does not apply: %v", operations, err)
		return
	}
	fixed := *c
	fixed.Object = nil
	if err := json.Unmarshal(object, &fixed.Object); err != nil {
		t.Fatal(err)
	}
	for _, left := range evaluate(t, program, fixed.request(t), engine.Deny).Violations {
		if left.Container == violation.Container && left.Key == violation.Key {
			t.Errorf("after the fix %s there still is: %s", operations, left.Message)
		}
	}
}

func (c *testCase) request(t *testing.T) *review.Request {
	t.Helper()
	request, err := normalize.Manifest(integers(c.Object).(map[string]any), c.Namespace.Name)
	if err != nil {
		t.Fatal(err)
	}
	request.User = review.User{Name: c.User.Name, Groups: c.User.Groups}
	request.Namespace = review.Namespace{Name: request.Namespace.Name, Labels: c.Namespace.Labels, Known: true}
	request.Facts = review.Facts{
		LimitRanges: c.LimitRanges, ResourceQuotas: c.Quotas, Autoscalers: c.Autoscalers, PersistentVolumeClaims: c.Claims,
		StorageClasses: c.StorageClasses,
	}
	if c.Origin != "" {
		request.Origin = c.Origin
	}
	if c.Operation != "" {
		request.Operation = c.Operation
	}
	if c.OldObject != nil {
		old, err := normalize.Manifest(integers(c.OldObject).(map[string]any), c.Namespace.Name)
		if err != nil {
			t.Fatal(err)
		}
		request.OldObject, request.OldLastApplied = old.Object, old.LastApplied
	}
	predictPods(request, storedRequest, enrich(request), nil)
	return request
}

// compare says what is not as the case has it. Findings and intents are sets.
func (c *testCase) compare(result review.Result) string {
	found := make([]findingCase, 0, len(result.Violations))
	for _, v := range result.Violations {
		fix := v.Fix
		found = append(found, findingCase{
			Container: v.Container, Path: v.Path, Message: v.Message, Key: v.Key, Excess: v.Excess,
			AtMost: atMost(v.AtMost), Unknown: v.Unknown, Fix: &fix,
		})
	}
	wanted := slices.Clone(*c.Findings)
	byPlace := func(a, b findingCase) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Message, b.Message))
	}
	slices.SortFunc(found, byPlace)
	slices.SortFunc(wanted, byPlace)
	for i := range min(len(found), len(wanted)) {
		wanted[i].Tolerated = nil
		if wanted[i].Excess == "" || sameNumber(wanted[i].Excess, found[i].Excess) {
			found[i].Excess = wanted[i].Excess
		}
		if wanted[i].Key == "" {
			found[i].Key = ""
		}
		if wanted[i].Fix == nil {
			found[i].Fix = nil
		}
	}
	if diff := gocmp.Diff(wanted, found, cmpopts.EquateEmpty()); diff != "" {
		return "findings (-want +got):\n" + diff
	}
	var intents []intentCase
	for _, i := range result.Intents {
		intents = append(intents, intentCase(i))
	}
	byField := func(a, b intentCase) int {
		return cmp.Or(strings.Compare(a.Container, b.Container), strings.Compare(a.Field, b.Field))
	}
	slices.SortFunc(intents, byField)
	slices.SortFunc(c.Intents, byField)
	if diff := gocmp.Diff(c.Intents, intents, cmpopts.EquateEmpty()); diff != "" {
		return "intents (-want +got):\n" + diff
	}
	return ""
}

func sameNumber(a, b json.Number) bool {
	x, ok := new(big.Rat).SetString(string(a))
	y, too := new(big.Rat).SetString(string(b))
	return ok && too && x.Cmp(y) == 0
}

func atMost(mode review.Mode) string {
	if mode == 0 {
		return ""
	}
	return mode.String()
}

// integers does what Taffrail's own readers do to numbers.
func integers(value any) any {
	switch value := value.(type) {
	case float64:
		if float64(int64(value)) == value {
			return int64(value)
		}
	case map[string]any:
		for name, member := range value {
			value[name] = integers(member)
		}
	case []any:
		for i, element := range value {
			value[i] = integers(element)
		}
	}
	return value
}
