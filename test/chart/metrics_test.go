package chart

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// prometheusRule has the fields of the Prometheus operator's kind that the tests read.
type prometheusRule struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		Groups []struct {
			Name  string  `json:"name"`
			Rules []alert `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func alerts(t *testing.T, objects []*unstructured.Unstructured) map[string]alert {
	t.Helper()
	all := map[string]alert{}
	for _, a := range find[prometheusRule](t, objects, "PrometheusRule", "taffrail").Spec.Groups[0].Rules {
		all[a.Alert] = a
	}
	return all
}

var (
	metric   = regexp.MustCompile(`\b(taffrail_[a-z_]+)(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"([^"]*)"`)
	grouping = regexp.MustCompile(`by \(([a-z_, ]+)\)`)
)

// ofTarget lists the labels that Prometheus adds to a target's metrics. If a metric has one of the same name,
// it becomes exported_namespace.
var ofTarget = []string{"namespace", "job", "le"}

// check verifies that every metric in an expression is served with every label that is used.
func (s *served) check(t *testing.T, where, expression string) {
	t.Helper()
	found := metric.FindAllStringSubmatch(expression, -1)
	if len(found) == 0 && !strings.Contains(expression, "up{") {
		t.Errorf("%s: no metric in %s", where, expression)
	}
	for _, m := range found {
		name := m[1]
		labels, ok := s.labels[name]
		if histogram := strings.TrimSuffix(name, "_bucket"); !ok {
			labels, ok = s.labels[histogram]
		}
		if !ok {
			t.Errorf("%s: nobody serves %s", where, name)
			continue
		}
		asked := map[string]bool{}
		for _, by := range matcher.FindAllStringSubmatch(m[2], -1) {
			asked[by[1]] = true
			for value := range strings.SplitSeq(by[3], "|") {
				if !slices.Contains(ofTarget, by[1]) && !s.texts[value] {
					t.Errorf("%s: %s is never %q", where, by[1], value)
				}
			}
		}
		for _, by := range grouping.FindAllStringSubmatch(expression, -1) {
			for label := range strings.SplitSeq(by[1], ", ") {
				asked[label] = true
			}
		}
		for label := range asked {
			served := slices.Contains(labels, label) || slices.Contains(ofTarget, label) && !slices.Contains(labels, "exported_"+label)
			if exported, is := strings.CutPrefix(label, "exported_"); is {
				served = slices.Contains(labels, exported)
			}
			if !served {
				t.Errorf("%s: %s has no label %s", where, name, label)
			}
		}
	}
}

// apiServer matches what alerts read from the API server: counters with the name of the webhook. The
// integration tests check that a real API server serves them.
var apiServer = regexp.MustCompile(`\bapiserver_admission_webhook_(?:fail_open_count\{name=~"([^"]+)"\}|rejection_count\{name=~"([^"]+)",error_type="calling_webhook_error"\})`)

// If the API server cannot reach Taffrail, Taffrail cannot know, so the API server's metrics are needed.
func TestAlertsSayWhenTheAPIServerCannotReachIt(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release().with(everything...))
	all, _ := entries(t, objects, "taffrail")
	for _, name := range []string{"TaffrailUnreachable", "TaffrailBypassed"} {
		asked := apiServer.FindAllStringSubmatch(alerts(t, objects)[name].Expr, -1)
		if len(asked) == 0 || len(asked) != strings.Count(alerts(t, objects)[name].Expr, "apiserver_") {
			t.Errorf("the expression of %s is %s", name, alerts(t, objects)[name].Expr)
		}
		for _, a := range asked {
			names := regexp.MustCompile("^(?:" + a[1] + a[2] + ")$")
			for _, w := range all {
				if !names.MatchString(w.Name) {
					t.Errorf("%s is not about %s: %s", name, w.Name, a[0])
				}
			}
			if names.MatchString("validate.other.dev") {
				t.Errorf("%s is about the webhooks of others: %s", name, a[0])
			}
		}
	}
}

// A single undecided request has to raise an alert. Most of these series start with their first error, so an
// alert on an increase would never fire.
func TestAlertsSeeTheFirstError(t *testing.T) {
	h := helm4(t)
	there := alerts(t, render(t, h, release().with(everything...)))
	for _, name := range []string{"TaffrailUndecided", "TaffrailPolicyFails", "TaffrailUnreachable", "TaffrailBypassed"} {
		a := there[name]
		if a.For != "" || !strings.Contains(a.Expr, "increase(") || !strings.Contains(a.Expr, " unless ") || !strings.HasSuffix(a.Expr, "> 0") {
			t.Errorf("%s, for %q: %s", name, a.For, a.Expr)
		}
	}
	if a := there["TaffrailCertificateMissing"]; a.For != "2m" || !strings.HasSuffix(a.Expr, "== 0") {
		t.Errorf("%+v", a)
	}
}

func TestAlertsAskForWhatIsServed(t *testing.T) {
	h := helm4(t)
	s := readServed(t)
	for name, a := range alerts(t, render(t, h, release().with(everything...))) {
		ofTaffrail := strings.Contains(a.Expr, `{namespace="taffrail-system",job="taffrail"`) || strings.Contains(a.Expr, `{namespace="taffrail-system",job="taffrail-audit"`)
		if ofTaffrail {
			s.check(t, name, a.Expr)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || !slices.Contains([]string{"info", "warning", "critical"}, a.Labels["severity"]) {
			t.Errorf("%s: %+v", name, a)
		}
		if !ofTaffrail && !apiServer.MatchString(a.Expr) {
			t.Errorf("%s is about every Taffrail that Prometheus knows: %s", name, a.Expr)
		}
	}
}

// An alert says what the effect is for this installation, and fires while there is still time to act.
func TestAlertsSayWhatHoldsHere(t *testing.T) {
	h := helm4(t)
	open := alerts(t, render(t, h, release().with(everything...)))
	closed := alerts(t, render(t, h, release("eks").with(everything...)))
	if got := open["TaffrailDown"].Annotations["description"]; got != "Requests are admitted unchecked until one does." {
		t.Error(got)
	}
	optIn := alerts(t, render(t, h, release("opt-in").with(everything...)))
	if got := optIn["TaffrailDown"].Annotations["description"]; !strings.HasSuffix(got, "new or changed Exemptions, are refused.") {
		t.Error(got)
	}
	if got := closed["TaffrailDown"].Annotations["description"]; !strings.Contains(got, "Workloads cannot be created") || !strings.Contains(got, "break-glass") {
		t.Error(got)
	}
	if got := alerts(t, render(t, h, release().with(everything...).with("replicas=5")))["TaffrailReplicasMissing"].Expr; !strings.HasSuffix(got, "< 5") {
		t.Error(got)
	}
	for set, want := range map[string]string{
		// Half of the time that is left when it should have been renewed.
		"certificates.selfManaged.certificateValidity=24h": "< 14400",
		"certificates.selfManaged.caValidity=17520h":       "< 1296000",
		"certificates.mode=cert-manager":                   "< 1296000",
	} {
		got := alerts(t, render(t, h, release().with(everything...).with(set)))["TaffrailCertificateExpires"].Expr
		if !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s, want %s", set, got, want)
		}
	}
}

func TestDashboardAsksForWhatIsServed(t *testing.T) {
	h := helm4(t)
	s := readServed(t)
	data := find[corev1.ConfigMap](t, render(t, h, release().with(everything...)), "ConfigMap", "taffrail-dashboard").Data
	var dashboard struct {
		UID    string `json:"uid"`
		Panels []struct {
			ID      int    `json:"id"`
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(data["taffrail.json"]), &dashboard); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			s.check(t, panel.Title, target.Expr)
		}
	}
	if len(ids) != len(dashboard.Panels) || len(ids) == 0 {
		t.Errorf("panels %v", slices.Collect(maps.Keys(ids)))
	}
}

func TestServiceMonitorFindsTheMetrics(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release().with(everything...))
	monitor := find[struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
		Spec       struct {
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			NamespaceSelector struct {
				MatchNames []string `json:"matchNames"`
			} `json:"namespaceSelector"`
			Endpoints []struct {
				Port     string `json:"port"`
				Interval string `json:"interval"`
			} `json:"endpoints"`
		} `json:"spec"`
	}](t, objects, "ServiceMonitor", "taffrail").Spec
	service := find[corev1.Service](t, objects, "Service", "taffrail")
	for key, value := range monitor.Selector.MatchLabels {
		if service.Labels[key] != value {
			t.Errorf("the Service has %s=%s, the monitor wants %s", key, service.Labels[key], value)
		}
	}
	named := slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == monitor.Endpoints[0].Port })
	if !named || !slices.Equal(monitor.NamespaceSelector.MatchNames, []string{service.Namespace}) {
		t.Errorf("%+v", monitor)
	}
}
