package config_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// second returns a time of the tests.
func second(n int) time.Time { return time.Unix(int64(1000+n), 0) }

func stamp(n int) metav1.Time { return metav1.NewTime(second(n)) }

// recorded returns the Injection of a Guardrail that has selected a label since second 10, or as changed.
func recorded(change func(record *v1alpha1.Injection, spec *v1alpha1.GuardrailSpec)) *config.Injection {
	g := &v1alpha1.Guardrail{Spec: v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on")}}
	g.Status.Injection = &v1alpha1.Injection{NamespaceSelector: selecting("guard", "on"), SelectionSince: stamp(10)}
	change(g.Status.Injection, &g.Spec)
	return config.NewInjection(g, nil)
}

func TestWhatASelectorIsAbout(t *testing.T) {
	both := expression("a", metav1.LabelSelectorOpExists)
	both.NamespaceSelector.MatchLabels = map[string]string{"b": "c"}
	mixed := expression("a", metav1.LabelSelectorOpExists)
	mixed.NamespaceSelector.MatchExpressions = append(mixed.NamespaceSelector.MatchExpressions, metav1.LabelSelectorRequirement{Key: "b", Operator: metav1.LabelSelectorOpDoesNotExist})
	for name, c := range map[string]struct {
		spec                   v1alpha1.GuardrailSpec
		byPresence, everywhere bool
	}{
		"none":                 {v1alpha1.GuardrailSpec{}, false, true},
		"empty":                {v1alpha1.GuardrailSpec{NamespaceSelector: &metav1.LabelSelector{}}, true, true},
		"a label":              {v1alpha1.GuardrailSpec{NamespaceSelector: selecting("a", "b")}, true, false},
		"In":                   {expression("a", metav1.LabelSelectorOpIn, "b"), true, false},
		"Exists":               {expression("a", metav1.LabelSelectorOpExists), true, false},
		"NotIn":                {expression("a", metav1.LabelSelectorOpNotIn, "b"), false, false},
		"DoesNotExist":         {expression("a", metav1.LabelSelectorOpDoesNotExist), false, false},
		"a label and Exists":   {both, true, false},
		"Exists, DoesNotExist": {mixed, false, false},
		"no such operator":     {expression("a", "Near", "b"), false, false},
	} {
		if got := config.SelectsByPresence(&c.spec); got != c.byPresence {
			t.Errorf("%s: by presence %v", name, got)
		}
		if got := config.SelectsEverywhere(&c.spec); got != c.everywhere {
			t.Errorf("%s: everywhere %v", name, got)
		}
	}
}

func TestARecordIsAboutOneSelection(t *testing.T) {
	for name, c := range map[string]struct {
		record v1alpha1.Injection
		spec   v1alpha1.GuardrailSpec
		want   bool
	}{
		"none":              {v1alpha1.Injection{}, v1alpha1.GuardrailSpec{}, true},
		"empty and none":    {v1alpha1.Injection{NamespaceSelector: &metav1.LabelSelector{}}, v1alpha1.GuardrailSpec{}, true},
		"none and empty":    {v1alpha1.Injection{}, v1alpha1.GuardrailSpec{NamespaceSelector: &metav1.LabelSelector{}}, true},
		"a label":           {v1alpha1.Injection{NamespaceSelector: selecting("a", "b")}, v1alpha1.GuardrailSpec{NamespaceSelector: selecting("a", "b")}, true},
		"another label":     {v1alpha1.Injection{NamespaceSelector: selecting("a", "c")}, v1alpha1.GuardrailSpec{NamespaceSelector: selecting("a", "b")}, false},
		"no longer a label": {v1alpha1.Injection{NamespaceSelector: selecting("a", "c")}, v1alpha1.GuardrailSpec{}, false},
		"the same left out": {v1alpha1.Injection{ExcludeNamespaces: []string{"x"}}, v1alpha1.GuardrailSpec{ExcludeNamespaces: []string{"x"}}, true},
		"another left out":  {v1alpha1.Injection{ExcludeNamespaces: []string{"x"}}, v1alpha1.GuardrailSpec{ExcludeNamespaces: []string{"y"}}, false},
	} {
		if got := config.RecordsSelection(&c.record, &c.spec); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestSinceWhenANamespaceIsSelected(t *testing.T) {
	everywhere := func(r *v1alpha1.Injection, _ *v1alpha1.GuardrailSpec) {
		at := stamp(20)
		r.Everywhere, r.ExcludeNamespaces = &at, []string{"kube-system"}
	}
	listing := func(r *v1alpha1.Injection, _ *v1alpha1.GuardrailSpec) {
		r.Namespaces = []v1alpha1.InjectionNamespaces{
			{Since: stamp(5), Names: []string{"shop", "web"}}, {Since: stamp(7), Names: []string{"other"}},
		}
	}
	both := func(r *v1alpha1.Injection, s *v1alpha1.GuardrailSpec) { everywhere(r, s); listing(r, s) }
	for name, c := range map[string]struct {
		record    func(*v1alpha1.Injection, *v1alpha1.GuardrailSpec)
		namespace string
		created   int
		since     int
		known     bool
	}{
		"listed":                           {listing, "shop", 1, 5, true},
		"listed second":                    {listing, "web", 1, 5, true},
		"listed in another group":          {listing, "other", 1, 7, true},
		"created in that second":           {listing, "shop", 5, 5, true},
		"created later, so another one":    {listing, "shop", 6, 0, false},
		"not listed":                       {listing, "new", 1, 0, false},
		"not listed, of no known age":      {listing, "new", -1, 0, false},
		"listed, of no known age":          {listing, "shop", -1, 5, true},
		"everywhere":                       {everywhere, "new", 1, 20, true},
		"everywhere else":                  {everywhere, "kube-system", 1, 0, false},
		"listed, and everywhere":           {both, "shop", 1, 5, true},
		"listed before, and everywhere":    {both, "shop", 6, 20, true},
		"nothing is recorded of any":       {func(*v1alpha1.Injection, *v1alpha1.GuardrailSpec) {}, "shop", 1, 0, false},
		"only excluded, and not elsewhere": {func(r *v1alpha1.Injection, _ *v1alpha1.GuardrailSpec) { r.ExcludeNamespaces = []string{"x"} }, "shop", 1, 0, false},
	} {
		namespace := decision.Namespace{Name: c.namespace, Created: second(c.created)}
		if c.created < 0 {
			namespace.Created = time.Time{}
		}
		since, known := recorded(c.record).SelectedSince(namespace)
		want := time.Time{}
		if c.known {
			want = second(c.since)
		}
		if known != c.known || !since.Equal(want) {
			t.Errorf("%s: got %v, %v", name, since, known)
		}
	}
}

// Without a record nothing is known, and nothing further is read.
func TestWithoutARecordNothingIsKnown(t *testing.T) {
	none := config.NewInjection(&v1alpha1.Guardrail{}, []config.InjectionPeriod{{Policy: "p"}})
	since, known := none.SelectedSince(decision.Namespace{Name: "shop"})
	if none != nil || !since.IsZero() || known || none.LabelsDateSelection(decision.Namespace{Name: "shop"}) || none.Instances("p") != nil {
		t.Errorf("got %+v, %v, %v", none, since, known)
	}
}

func TestWhetherLabelsTellSinceWhen(t *testing.T) {
	absent := func(r *v1alpha1.Injection, s *v1alpha1.GuardrailSpec) {
		r.NamespaceSelector = expression("skip", metav1.LabelSelectorOpDoesNotExist).NamespaceSelector
		s.NamespaceSelector = r.NamespaceSelector
	}
	same := func(*v1alpha1.Injection, *v1alpha1.GuardrailSpec) {}
	for name, c := range map[string]struct {
		record  func(*v1alpha1.Injection, *v1alpha1.GuardrailSpec)
		created int
		labeled int
		tells   bool
		since   bool
	}{
		"a label, of an older namespace":          {same, 1, 12, true, true},
		"a label, since the selector":             {same, 1, 10, true, true},
		"a label that is older than the selector": {same, 1, 9, true, false},
		"no label, created before the selector":   {absent, 9, 9, false, false},
		"no label, created with the selector":     {absent, 10, 10, true, true},
		"no label, created after the selector":    {absent, 11, 11, true, true},
		"no longer a label":                       {absent, 11, 12, true, false},
		"another selector by now": {func(_ *v1alpha1.Injection, s *v1alpha1.GuardrailSpec) {
			s.NamespaceSelector = selecting("guard", "off")
		}, 1, 12, false, false},
	} {
		i, namespace := recorded(c.record), decision.Namespace{Name: "shop", Created: second(c.created)}
		if got := i.LabelsDateSelection(namespace); got != c.tells {
			t.Errorf("%s: returns %v", name, got)
		}
		if got := i.SelectsSince(second(c.labeled), namespace); got != c.since {
			t.Errorf("%s: since %v", name, got)
		}
	}
	everywhere := recorded(func(r *v1alpha1.Injection, _ *v1alpha1.GuardrailSpec) { at := stamp(20); r.Everywhere = &at })
	if everywhere.LabelsDateSelection(decision.Namespace{Name: "shop", Created: second(30)}) {
		t.Error("a Guardrail that selects every namespace is dated by labels")
	}
}

// Times are whole seconds: what is written in the second in which a period begins is older than it, and what is
// written in the second in which it ends still belongs to it.
func TestWhatIsEnforcedWhenATemplateIsWritten(t *testing.T) {
	g := &v1alpha1.Guardrail{}
	g.Status.Injection = &v1alpha1.Injection{}
	i := config.NewInjection(g, []config.InjectionPeriod{
		{Policy: "p", Instance: 2, Since: second(10), Until: second(20)},
		{Policy: "q", Instance: 3, Since: second(0)},
		{Policy: "p", Instance: 1, Since: second(20)},
		{Policy: "p", Instance: 2, Since: second(30)},
	})
	for name, c := range map[string]struct {
		written, selected, created int
		want                       []int
	}{
		"before":                          {5, -5, -10, nil},
		"in the second of the beginning":  {10, -5, -10, nil},
		"after the beginning":             {11, -5, -10, []int{2}},
		"in the second of the end":        {20, -5, -10, []int{2}},
		"after the end":                   {21, -5, -10, []int{1}},
		"under two":                       {31, -5, -10, []int{1, 2}},
		"before it was selected":          {21, 22, -10, nil},
		"in the second of the selection":  {21, 21, -10, nil},
		"after the selection":             {22, 21, -10, []int{1}},
		"selected since it was created":   {21, 21, 21, []int{1}},
		"selected before it was created":  {21, 21, 22, []int{1}},
		"selected a second after created": {21, 21, 20, nil},
	} {
		if got := i.Covering("p", second(c.written), second(c.selected), second(c.created)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got := i.Covering("p", time.Time{}, second(50), second(0)); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("a template to come gets what is enforced now, not %v", got)
	}
	if got := fmt.Sprint(i.Instances("p"), i.Instances("q"), i.Instances("none")); got != "[1 2] [3] []" {
		t.Errorf("got %s", got)
	}
}
