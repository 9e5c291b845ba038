package chart

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A permission that the integration tests do not need is superfluous, and one that they have and the chart
// lacks causes an error in a cluster.
func TestRightsAreThoseOfTheIntegrationTests(t *testing.T) {
	h := helm4(t)
	text, err := os.ReadFile(root + "/test/harness/manifests/rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string][]rbacv1.PolicyRule{}, map[string][]rbacv1.PolicyRule{}
	for _, object := range decode(t, text) {
		if kind := object.GetKind(); kind == "ClusterRole" || kind == "Role" {
			want[kind+" "+object.GetName()] = find[rbacv1.ClusterRole](t, decode(t, text), kind, object.GetName()).Rules
		}
	}
	// In the integration tests, the webhook configurations whose caBundle is written have a different name.
	certificate := want["ClusterRole taffrail-certificate"]
	for i := range certificate {
		certificate[i].ResourceNames = []string{"taffrail"}
	}
	objects := render(t, h, release().with("events.enabled=true"))
	for _, object := range objects {
		kind := object.GetKind()
		if object.GetAnnotations()["helm.sh/hook"] == "" && (kind == "ClusterRole" || kind == "Role") {
			got[kind+" "+object.GetName()] = find[rbacv1.ClusterRole](t, objects, kind, object.GetName()).Rules
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-integration tests +chart:\n%s", diff)
	}
}

// Every role is bound to the account that needs it, and to no other.
func TestEveryRoleIsBoundToItsOwnAccount(t *testing.T) {
	h := helm4(t)
	for name, r := range releases() {
		objects := render(t, h, r)
		bound := map[string]int{}
		for _, object := range objects {
			if !strings.HasSuffix(object.GetKind(), "RoleBinding") {
				continue
			}
			binding := find[rbacv1.ClusterRoleBinding](t, objects, object.GetKind(), object.GetName())
			bound[binding.RoleRef.Kind+" "+binding.RoleRef.Name]++
			if len(binding.Subjects) != 1 || binding.Subjects[0].Kind != "ServiceAccount" || binding.Subjects[0].Namespace != r.Namespace {
				t.Errorf("%s: %s binds %+v", name, binding.Name, binding.Subjects)
				continue
			}
			account := binding.Subjects[0].Name
			// The roles of a hook are named like the hook.
			if hook := object.GetAnnotations()["helm.sh/hook"]; hook != "" && account != binding.Name {
				t.Errorf("%s: the hook %s binds %s", name, binding.Name, account)
			}
			if !slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool {
				return o.GetKind() == "ServiceAccount" && o.GetName() == account
			}) {
				t.Errorf("%s: %s binds %s, which is not there", name, binding.Name, account)
			}
		}
		for _, object := range objects {
			if kind := object.GetKind(); (kind == "Role" || kind == "ClusterRole") && bound[kind+" "+object.GetName()] != 1 {
				t.Errorf("%s: %s %s is bound %d times", name, kind, object.GetName(), bound[kind+" "+object.GetName()])
			}
		}
	}
}

func TestNoRoleReachesFurtherThanItsNames(t *testing.T) {
	h := helm4(t)
	for name, r := range releases() {
		objects := render(t, h, r)
		for _, object := range objects {
			if kind := object.GetKind(); kind != "Role" && kind != "ClusterRole" {
				continue
			}
			for _, rule := range find[rbacv1.ClusterRole](t, objects, object.GetKind(), object.GetName()).Rules {
				what := name + ": " + object.GetName()
				for _, part := range [][]string{rule.APIGroups, rule.Resources, rule.Verbs} {
					if slices.Contains(part, "*") {
						t.Errorf("%s: a wildcard: %+v", what, rule)
					}
				}
				if slices.Contains(rule.Resources, "secrets") && len(rule.ResourceNames) == 0 {
					t.Errorf("%s: every Secret: %+v", what, rule)
				}
				writes := slices.ContainsFunc(rule.Verbs, func(verb string) bool { return verb == "update" || verb == "patch" || verb == "delete" })
				ours := slices.Equal(rule.APIGroups, []string{"taffrail.dev"}) ||
					slices.Equal(rule.APIGroups, []string{"openreports.io"}) // with the labels of the installation
				if writes && !ours && len(rule.ResourceNames) == 0 {
					t.Errorf("%s: writes what is not named: %+v", what, rule)
				}
			}
		}
	}
}

// If files hold the certificate, Taffrail may neither read Secrets nor write webhook configurations.
func TestRightsForCertificatesGoWithKeepingThem(t *testing.T) {
	h := helm4(t)
	for name, want := range map[string]bool{"default": true, "cert-manager": false, "existing Secret": false} {
		objects := render(t, h, releases()[name])
		got := slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool { return strings.HasSuffix(o.GetName(), "-certificate") })
		if got != want {
			t.Errorf("%s: has rights for certificates: %t", name, got)
		}
	}
}
