package resources

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
)

// list parses "cpu=1 memory=2Gi".
func list(s string) corev1.ResourceList {
	if s == "" {
		return nil
	}
	l := corev1.ResourceList{}
	for pair := range strings.FieldsSeq(s) {
		name, value, _ := strings.Cut(pair, "=")
		l[corev1.ResourceName(name)] = resource.MustParse(value)
	}
	return l
}

// needs parses "requests | limits".
func needs(s string) corev1.ResourceRequirements {
	requests, limits, _ := strings.Cut(s, "|")
	return corev1.ResourceRequirements{Requests: list(strings.TrimSpace(requests)), Limits: list(strings.TrimSpace(limits))}
}

// show is the inverse of needs, sorted.
func show(r corev1.ResourceRequirements) string {
	return strings.TrimSpace(showList(r.Requests) + " | " + showList(r.Limits))
}

func showList(l corev1.ResourceList) string {
	return strings.Trim(strings.ReplaceAll(strings.ReplaceAll(fmt.Sprint(strs(l)), ":", "="), "map", ""), "[]")
}

func strs(l corev1.ResourceList) map[string]string {
	m := map[string]string{}
	for name, q := range l {
		m[string(name)] = q.String()
	}
	return m
}

func app(name, resources string) Container {
	return Container{Name: name, Type: decision.ContainerApp, Resources: needs(resources)}
}

func of(c Container, t decision.ContainerType) Container {
	c.Type = t
	return c
}

func pod(containers ...Container) Pod { return Pod{Containers: containers} }

func withPodLevel(p Pod, s string) Pod {
	r := needs(s)
	p.Resources = &r
	return p
}

type limits struct{ min, max, deflt, request, ratio string }

func (l limits) item(t corev1.LimitType) corev1.LimitRangeItem {
	return corev1.LimitRangeItem{Type: t, Min: list(l.min), Max: list(l.max), Default: list(l.deflt), DefaultRequest: list(l.request), MaxLimitRequestRatio: list(l.ratio)}
}

func ranged(name string, items ...corev1.LimitRangeItem) *corev1.LimitRange {
	return &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.LimitRangeSpec{Limits: items}}
}

func perContainer(name string, l limits) *corev1.LimitRange {
	return ranged(name, l.item(corev1.LimitTypeContainer))
}

func perPod(name string, l limits) *corev1.LimitRange {
	return ranged(name, l.item(corev1.LimitTypePod))
}

// wishes parses "app.requests.cpu=100m".
func wishes(t testing.TB, specs ...string) []Proposal {
	t.Helper()
	var all []Proposal
	for _, s := range specs {
		path, value, _ := strings.Cut(s, "=")
		container, field, _ := strings.Cut(path, ".")
		f, err := ParseField("resources." + field)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Proposal{Container: container, Field: f, Value: resource.MustParse(value)})
	}
	return all
}

func showFills(fills []Fill) []string {
	var all []string
	for _, f := range fills {
		all = append(all, fmt.Sprintf("%s.%s=%s", f.Container, strings.TrimPrefix(f.Field.String(), "resources."), f.Value.String()))
	}
	return all
}

func showUnfilled(unfilled []Unfilled) []string {
	var all []string
	for _, u := range unfilled {
		all = append(all, fmt.Sprintf("%s.%s: %s", u.Container, strings.TrimPrefix(u.Field.String(), "resources."), u.Reason))
	}
	return all
}

// patched returns the Pod with the fills set as by a patch.
func patched(p Pod, fills []Fill) Pod {
	out := p
	out.Containers = nil
	for _, c := range p.Containers {
		c.Resources = *c.Resources.DeepCopy()
		for _, f := range fills {
			if f.Container == c.Name {
				put(&c.Resources, f.Field, f.Value)
			}
		}
		out.Containers = append(out.Containers, c)
	}
	return out
}
