package reach

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"taffrail.dev/webhook/decision"
)

var here = Installation{Namespace: "taffrail-system", Service: "taffrail", URL: "https://10.0.0.1:9443"}

// serving returns a part of what a cluster serves.
func serving() Resources {
	return Resources{
		{Kind: "Pod"}:                                   {Name: "pods", Versions: []string{"v1"}, Namespaced: true, Subresources: []string{"status", "binding", "resize", "ephemeralcontainers", "log"}},
		{Kind: "Binding"}:                               {Name: "bindings", Versions: []string{"v1"}, Namespaced: true},
		{Kind: "Namespace"}:                             {Name: "namespaces", Versions: []string{"v1"}, Subresources: []string{"status", "finalize"}},
		{Kind: "ConfigMap"}:                             {Name: "configmaps", Versions: []string{"v1"}, Namespaced: true},
		{Group: "apps", Kind: "Deployment"}:             {Group: "apps", Name: "deployments", Versions: []string{"v1"}, Namespaced: true, Subresources: []string{"status", "scale"}},
		{Group: "apps", Kind: "ReplicaSet"}:             {Group: "apps", Name: "replicasets", Versions: []string{"v1"}, Namespaced: true},
		{Group: "apps", Kind: "StatefulSet"}:            {Group: "apps", Name: "statefulsets", Versions: []string{"v1"}, Namespaced: true, Subresources: []string{"status", "scale"}},
		{Group: "apps", Kind: "ControllerRevision"}:     {Group: "apps", Name: "controllerrevisions", Versions: []string{"v1"}, Namespaced: true},
		{Group: "networking.k8s.io", Kind: "Ingress"}:   {Group: "networking.k8s.io", Name: "ingresses", Versions: []string{"v1"}, Namespaced: true, Subresources: []string{"status"}},
		{Group: "example.com", Kind: "Widget"}:          {Group: "example.com", Name: "widgets", Versions: []string{"v1", "v2"}, Namespaced: true, Subresources: []string{"status"}},
		{Group: "example.com", Kind: "Fleet"}:           {Group: "example.com", Name: "fleets", Versions: []string{"v1"}},
		{Group: "storage.k8s.io", Kind: "StorageClass"}: {Group: "storage.k8s.io", Name: "storageclasses", Versions: []string{"v1"}},
	}
}

// entry returns one validating entry whose other fields have valid defaults.
func entry(t *testing.T, text string) []Entry {
	t.Helper()
	c := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := yaml.UnmarshalStrict([]byte("webhooks:\n- name: test.taffrail.dev\n"+indent(text)), c); err != nil {
		t.Fatal(err)
	}
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		if w.ClientConfig.Service == nil && w.ClientConfig.URL == nil {
			path := "/validate"
			w.ClientConfig = admissionregistrationv1.WebhookClientConfig{
				Service: &admissionregistrationv1.ServiceReference{Namespace: here.Namespace, Name: here.Service, Path: &path}, CABundle: []byte("ca"),
			}
		}
	}
	return Entries(nil, c, here)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

const widgets = `rules: [{operations: [CREATE, UPDATE], apiGroups: [example.com], apiVersions: [v1], resources: [widgets]}]
`

func namespaces() []decision.Namespace {
	return []decision.Namespace{
		{Name: "shop", Labels: map[string]string{"guard": "on"}, Known: true}, {Name: "bank", Labels: map[string]string{"guard": "on"}, Known: true},
		{Name: "lab", Known: true}, {Name: "kube-system", Known: true}, {Name: "taffrail-system", Known: true},
	}
}

func texts(r Report) []string {
	var all []string
	for i := range r.Gaps {
		all = append(all, r.Gaps[i].String())
	}
	return all
}

func TestWhatIsNotSent(t *testing.T) {
	guarded := func(n decision.Namespace) bool { return n.Labels["guard"] == "on" }
	widget := schema.GroupKind{Group: "example.com", Kind: "Widget"}
	for name, test := range map[string]struct {
		entry  string
		kinds  []schema.GroupKind
		covers func(decision.Namespace) bool
		want   []string
	}{
		"all of it":               {entry: widgets},
		"by wildcards":            {entry: `rules: [{operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"], scope: "*"}]`},
		"by what has its address": {entry: "clientConfig: {url: \"https://10.0.0.1:9443/validate\"}\n" + widgets},
		"no rule":                 {entry: `rules: []`, want: []string{"widgets.example.com (CREATE, UPDATE) not sent: no webhook entry names it"}},
		"another group":           {entry: strings.Replace(widgets, "example.com", "example.org", 1), want: []string{"widgets.example.com (CREATE, UPDATE) not sent: no webhook entry names it"}},
		"one operation":           {entry: strings.Replace(widgets, "CREATE, ", "", 1), want: []string{"widgets.example.com (CREATE) not sent: no webhook entry names it"}},
		"only its status":         {entry: strings.Replace(widgets, "widgets]", "widgets/status]", 1), want: []string{"widgets.example.com (CREATE, UPDATE) not sent: no webhook entry names it"}},
		"the other scope":         {entry: strings.Replace(widgets, "widgets]", "widgets], scope: Cluster", 1), want: []string{"widgets.example.com (CREATE, UPDATE) not sent: no webhook entry names it"}},
		"a version that is not served": {
			entry: strings.Replace(widgets, "v1", "v3", 1), want: []string{"widgets.example.com (CREATE, UPDATE) not sent: no webhook entry names it"},
		},
		"one of two versions exactly": {entry: "matchPolicy: Exact\n" + widgets, want: []string{"widgets.example.com (CREATE, UPDATE) not sent: no webhook entry names it"}},
		"both versions exactly":       {entry: "matchPolicy: Exact\n" + strings.Replace(widgets, "[v1]", "[v1, v2]", 1)},
		"another path": {
			entry: "clientConfig: {url: \"https://10.0.0.1:9443/config\"}\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) not sent: entry test.taffrail.dev: it calls /config instead of /validate"},
		},
		"another Service": {
			entry: "clientConfig: {service: {namespace: shop, name: taffrail, path: /validate}, caBundle: Y2E=}\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) not sent: entry test.taffrail.dev: it calls Service shop/taffrail"},
		},
		"a URL that only begins like its own": {
			entry: "clientConfig: {url: \"https://10.0.0.1:9443.example.com/validate\"}\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) not sent: entry test.taffrail.dev: its URL cannot be read"},
		},
		"another URL": {
			entry: "clientConfig: {url: \"https://user@10.0.0.1:9443/validate\"}\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) not sent: entry test.taffrail.dev: it calls another URL"},
		},
		"no caBundle": {
			entry: "clientConfig: {service: {namespace: taffrail-system, name: taffrail, path: /validate}}\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) not sent: entry test.taffrail.dev: it has no caBundle, so the API server cannot verify Taffrail's certificate"},
		},
		"some namespaces": {
			entry: "namespaceSelector: {matchLabels: {guard: \"on\"}}\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) not sent in lab: the namespaceSelector of test.taffrail.dev excludes it"},
		},
		"the namespaces that are bound": {entry: "namespaceSelector: {matchLabels: {guard: \"on\"}}\n" + widgets, covers: guarded},
		"none that are bound": {
			entry:  "namespaceSelector: {matchExpressions: [{key: guard, operator: DoesNotExist}]}\n" + widgets,
			covers: guarded, want: []string{"widgets.example.com (CREATE, UPDATE) not sent in bank, shop: the namespaceSelector of test.taffrail.dev excludes it"},
		},
		"by name": {
			entry: "namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop, kube-system]}]}\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) not sent in shop: the namespaceSelector of test.taffrail.dev excludes it"},
		},
		"the cluster's own are not missed": {
			entry: "namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [taffrail-system, kube-system]}]}\n" + widgets,
		},
		"some objects": {
			entry: "objectSelector: {matchLabels: {a: b}}\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) may not be sent in bank, lab, shop: entry test.taffrail.dev: its objectSelector excludes objects by label"},
		},
		"a condition of somebody's": {
			entry: "matchConditions: [{name: ours, expression: 'request.userInfo.username != \"carol\"'}]\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) may not be sent in bank, lab, shop: entry test.taffrail.dev: matchCondition ours is not known"},
		},
		"a known name with another expression": {
			entry: "matchConditions: [{name: not-a-mirror-pod, expression: 'false'}]\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) may not be sent in bank, lab, shop: entry test.taffrail.dev: matchCondition not-a-mirror-pod is not known"},
		},
		"its own account": {
			entry: "matchConditions: [{name: not-taffrail-itself, expression: 'request.userInfo.username != \"system:serviceaccount:taffrail-system:taffrail\"'}]\n" + widgets,
		},
		"an account that is not its own": {
			entry: "matchConditions: [{name: not-taffrail-itself, expression: 'request.userInfo.username != \"system:serviceaccount:shop:taffrail\"'}]\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) may not be sent in bank, lab, shop: entry test.taffrail.dev: matchCondition not-taffrail-itself is not known"},
		},
		"more than an account": {
			entry: "matchConditions: [{name: not-taffrail-itself, expression: 'request.userInfo.username != \"system:serviceaccount:taffrail-system:taffrail\" && false || \"\" == \"\"'}]\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) may not be sent in bank, lab, shop: entry test.taffrail.dev: matchCondition not-taffrail-itself is not known"},
		},
		"a condition that is for metadata": {
			entry: "matchConditions: [{name: c, expression: '" + strings.ReplaceAll(Conditions()[3].Expression, "'", "''") + "'}]\n" + widgets,
			want:  []string{"widgets.example.com (CREATE, UPDATE) may not be sent in bank, lab, shop: entry test.taffrail.dev: matchCondition c is not known"},
		},
		"nothing that is bound covers anything": {
			entry: "namespaceSelector: {matchLabels: {guard: \"on\"}}\n" + widgets, covers: func(decision.Namespace) bool { return false },
		},
		"cluster-scoped": {
			entry: strings.ReplaceAll(widgets, "widgets", "fleets"), kinds: []schema.GroupKind{{Group: "example.com", Kind: "Fleet"}},
		},
		"cluster-scoped, and only some namespaces are bound": {
			entry: strings.ReplaceAll(widgets, "widgets", "fleets"), kinds: []schema.GroupKind{{Group: "example.com", Kind: "Fleet"}}, covers: guarded,
			want: []string{"fleets.example.com (CREATE, UPDATE) not sent: only a Guardrail that selects every namespace decides cluster-scoped objects"},
		},
		"cluster-scoped, whatever namespaces are selected": {
			entry: "namespaceSelector: {matchLabels: {guard: \"on\"}}\n" + strings.ReplaceAll(widgets, "widgets", "fleets"), kinds: []schema.GroupKind{{Group: "example.com", Kind: "Fleet"}},
		},
		"a built-in kind without its status": {
			entry: `rules: [{operations: [CREATE, UPDATE], apiGroups: [networking.k8s.io], apiVersions: [v1], resources: [ingresses]}]`,
			kinds: []schema.GroupKind{{Group: "networking.k8s.io", Kind: "Ingress"}},
			want:  []string{"ingresses.networking.k8s.io/status (UPDATE) not sent: no webhook entry names it"},
		},
		"Pods alone": {
			entry: `rules: [{operations: [CREATE, UPDATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}]`, kinds: []schema.GroupKind{{Kind: "Pod"}},
			want: []string{"pods/ephemeralcontainers (UPDATE), pods/resize (UPDATE), pods/binding (CREATE), bindings (CREATE), pods/status (UPDATE) not sent: no webhook entry names it"},
		},
		"Pods and all below them": {
			entry: `rules: [{operations: [CREATE, UPDATE], apiGroups: [""], apiVersions: [v1], resources: [pods, pods/*, bindings]}]`, kinds: []schema.GroupKind{{Kind: "Pod"}},
		},
		"a StatefulSet without its revisions": {
			entry: `rules: [{operations: [CREATE, UPDATE], apiGroups: [apps], apiVersions: [v1], resources: [statefulsets, statefulsets/status]}]`,
			kinds: []schema.GroupKind{{Group: "apps", Kind: "StatefulSet"}},
			want:  []string{"controllerrevisions.apps (CREATE, UPDATE) not sent: no webhook entry names it"},
		},
		"a Deployment without its ReplicaSets": {
			entry: `rules: [{operations: [CREATE, UPDATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments, deployments/status]}]`,
			kinds: []schema.GroupKind{{Group: "apps", Kind: "Deployment"}},
			want:  []string{"replicasets.apps (CREATE, UPDATE) not sent: no webhook entry names it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			kinds := test.kinds
			if kinds == nil {
				kinds = []schema.GroupKind{widget}
			}
			r := NewCluster(entry(t, test.entry), serving(), namespaces(), here.Namespace).Report(Scope{Kinds: kinds, Covers: test.covers})
			if diff := cmp.Diff(test.want, texts(r)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestKindsThatAreNotServed(t *testing.T) {
	r := NewCluster(entry(t, widgets), serving(), namespaces(), here.Namespace).Report(Scope{Kinds: []schema.GroupKind{{Group: "example.com", Kind: "Gadget"}}})
	if len(r.Gaps) > 0 || len(r.Unserved) != 1 || r.Unserved[0].Kind != "Gadget" {
		t.Errorf("%+v", r)
	}
}

// Several entries together may send everything that is needed.
func TestEntriesShareNamespaces(t *testing.T) {
	on := entry(t, "failurePolicy: Ignore\nnamespaceSelector: {matchLabels: {guard: \"on\"}}\n"+widgets)
	off := entry(t, "namespaceSelector: {matchExpressions: [{key: guard, operator: DoesNotExist}]}\n"+widgets)
	bound := Scope{Kinds: []schema.GroupKind{{Group: "example.com", Kind: "Widget"}}}
	r := NewCluster(append(on, off...), serving(), namespaces(), here.Namespace).Report(bound)
	if len(r.Gaps) > 0 || len(r.FailOpen) != 1 {
		t.Errorf("%+v", r)
	}
	if r := NewCluster(nil, serving(), namespaces(), here.Namespace).Report(bound); len(r.Gaps) != 1 {
		t.Errorf("no entry at all: %+v", r)
	}
}

func TestWhatInjectsAndWhatRelaxesIsNeededToo(t *testing.T) {
	c := NewCluster(entry(t, "namespaceSelector: {matchLabels: {guard: \"on\"}}\n"+widgets), serving(), namespaces(), here.Namespace)
	want := []string{
		"namespaces at /relax (UPDATE), namespaces/status at /relax (UPDATE), namespaces/finalize at /relax (UPDATE) not sent: no webhook entry names it",
		"pods at /mutate (CREATE) not sent: no webhook entry names it",
	}
	got := texts(c.Report(Scope{Injects: true, Relaxes: true}))
	// Both have the same reason.
	if len(got) != 1 || !strings.Contains(got[0], "pods at /mutate (CREATE)") || !strings.Contains(got[0], "namespaces/finalize at /relax (UPDATE)") {
		t.Errorf("want what is in %q, got %q", want, got)
	}
	if !c.SelectsByLabels() {
		t.Error("a label that can be taken away is not noticed")
	}
}

// Who may relax a Guardrail must be checked for every way of changing labels.
func TestWhoMayRelaxIsAsked(t *testing.T) {
	const rules = "clientConfig: {url: \"https://10.0.0.1:9443/relax\"}\nrules: [{operations: [UPDATE], apiGroups: [\"\"], apiVersions: [v1], resources: [namespaces, namespaces/status, namespaces/finalize]}]\n"
	const all = "namespaces at /relax (UPDATE), namespaces/status at /relax (UPDATE), namespaces/finalize at /relax (UPDATE)"
	for name, test := range map[string]struct {
		entry string
		want  []string
	}{
		"as the chart does it": {rules + "matchConditions: [{name: a, expression: '" + labelsChange + "'}, {name: b, expression: '!(object.metadata.name in [\"kube-system\", \"taffrail-system\"])'}]", nil},
		"a namespace is left out by name": {
			rules + "matchConditions: [{name: b, expression: '!(object.metadata.name in [\"kube-system\", \"shop\"])'}]",
			[]string{all + " not sent in shop: a matchCondition of test.taffrail.dev excludes it"},
		},
		"another condition": {
			rules + "matchConditions: [{name: mine, expression: '!(object.metadata.name in [\"a\"]) && false'}]",
			[]string{all + " may not be sent: entry test.taffrail.dev: matchCondition mine is not known"},
		},
		"a selector": {
			rules + "namespaceSelector: {matchLabels: {guard: \"on\"}}",
			[]string{all + " may not be sent: entry test.taffrail.dev: its namespaceSelector is matched against the namespace's new labels"},
		},
		"without the subresources": {
			strings.Replace(rules, ", namespaces/status, namespaces/finalize", "", 1),
			[]string{"namespaces/status at /relax (UPDATE), namespaces/finalize at /relax (UPDATE) not sent: no webhook entry names it"},
		},
	} {
		got := texts(NewCluster(entry(t, test.entry), serving(), namespaces(), here.Namespace).Report(Scope{Relaxes: true}))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestSelectorsAreThoseOfWhatDecides(t *testing.T) {
	all := entry(t, "namespaceSelector: {matchLabels: {guard: \"on\"}}\n"+widgets)
	all = append(all, entry(t, "namespaceSelector: {matchLabels: {guard: \"on\"}}\n"+strings.ReplaceAll(widgets, "widgets", "fleets"))...)
	all = append(all, entry(t, "clientConfig: {url: \"https://10.0.0.1:9443/relax\"}\nnamespaceSelector: {matchLabels: {relax: \"on\"}}\n"+widgets)...)
	all = append(all, entry(t, "clientConfig: {url: \"https://example.com/validate\"}\nnamespaceSelector: {matchLabels: {other: \"on\"}}\n"+widgets)...)
	all = append(all, entry(t, widgets)...)
	got := Selectors(all)
	if len(got) != 1 || !got[0].Matches(labels.Set{"guard": "on"}) || got[0].Matches(labels.Set{}) {
		t.Errorf("%v", got)
	}
}

// An entry with an unreadable selector sends nothing.
func TestSelectorThatCannotBeRead(t *testing.T) {
	c := &admissionregistrationv1.ValidatingWebhookConfiguration{Webhooks: []admissionregistrationv1.ValidatingWebhook{{
		Name: "x.taffrail.dev", NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}},
	}}}
	if e := Entries(nil, c, here); e[0].misrouted == "" || e[0].selects(decision.Namespace{Name: "shop"}) {
		t.Errorf("%+v", e)
	}
}
