package integration

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// quoting is a Policy that quotes everything it reads.
const quoting = `values contains input.object.metadata.annotations[_]

values contains input.object.data[_]

values contains input.object.spec.externalName

values contains container.image.reference if some container in input.containers

values contains env.value if {
	some container in input.containers
	some env in container.spec.env
}

deny contains {"msg": sprintf("%v is not wanted", [value]), "path": sprintf("metadata[%v]", [value]), "key": value} if some value in values

deny contains {"msg": sprintf("%q is not wanted", [value]), "path": "metadata"} if some value in values`

// Credentials in images, URLs and tokens are not quoted in a denial, a warning, the audit log, Taffrail's own
// log, a status or a metric, whoever wrote the policy.
func TestCredentialsAreQuotedNowhere(t *testing.T) {
	t.Parallel()
	const mark = "Hunter2MARK"
	label := unique("redact")
	policy := ownPolicy(label+"-quoting", quoting)
	policy.Spec.Rego = strings.Replace(policy.Spec.Rego, "kinds: [ConfigMap]", "kinds: [ConfigMap, Pod, Service, Secret]", 1)
	if condition := putPolicy(t, policy); condition.Status != metav1.ConditionTrue {
		t.Fatalf("%+v", condition)
	}
	var answers []*harness.Answer
	for _, mode := range []v1alpha1.Mode{v1alpha1.ModeEnforce, v1alpha1.ModeWarn, v1alpha1.ModeAudit} {
		name := fmt.Sprintf("%s-%s", label, mode)
		namespace := newNamespace(t, name, "test.taffrail.dev/own="+name)
		g := binding(name, name, "image-tag", policy.Name)
		g.Spec.Mode = mode
		putGuardrail(t, g)
		for what, value := range map[string]string{
			"image":     "user:" + mark + "@registry.example/app",
			"slash":     "user:" + mark + "/x@registry.example:5000/app:1.0.0",
			"blank":     "user:with a blank " + mark + "@registry.example/app",
			"url":       "https://user:" + mark + "@host.example/path",
			"signature": "https://b.s3.amazonaws.com/k?X-Amz-Expires=1&X-Amz-Signature=" + mark,
			"token":     "ghp_" + mark + strings.Repeat("0", 36-len(mark)),
			"header":    "Authorization: Bearer " + mark,
		} {
			pod := podOf(namespace, what, corev1.Container{Name: "main", Image: value, Env: []corev1.EnvVar{{Name: "A", Value: value}}})
			pod.Annotations = map[string]string{"example.com/a": value}
			config := configMap(namespace, map[string]string{"a": value})
			config.Name = what
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: what}, StringData: map[string]string{"a": mark}}
			pods, configs, secrets := cluster.Alice.Create(t.Context(), pod), cluster.Alice.Create(t.Context(), config), cluster.Alice.Create(t.Context(), secret)
			answers = append(answers, pods, configs, secrets)
			for kind, answer := range map[string]*harness.Answer{"Pod": pods, "ConfigMap": configs, "Secret": secrets} {
				about := fmt.Sprintf("%s, %s %s", mode, kind, what)
				if mode == v1alpha1.ModeEnforce {
					if words := deny(t, about, answer); !strings.Contains(words, "***") {
						t.Errorf("%s: nothing is quoted: %s", about, words)
					}
				} else if admit(t, about, answer); mode == v1alpha1.ModeWarn && len(answer.Warnings) == 0 {
					t.Errorf("%s: no warning", about)
				}
				text := transcript(t, answer)
				for _, secret := range []string{mark, base64.StdEncoding.EncodeToString([]byte(mark))} {
					if strings.Contains(text, secret) {
						t.Errorf("%s: %s", about, text)
					}
				}
			}
		}
		if mode == v1alpha1.ModeEnforce {
			continue
		}
		eventually(t, "the status to count them", func(ctx context.Context) error {
			printed, err := cluster.Kubectl(ctx, cluster.Admin, "get", "guardrail", g.Name, "-o", "yaml")
			if err != nil {
				return err
			}
			if !strings.Contains(printed.Output, "wouldDeny") {
				return fmt.Errorf("%s", printed.Output)
			}
			if strings.Contains(printed.Output, mark) {
				t.Errorf("status: %s", printed.Output)
			}
			return nil
		})
	}
	for _, answer := range answers { // by now the log has them
		_, err := cluster.AuditedAnswer(t.Context(), answer)
		must(t, err)
	}
	metrics, err := taffrail.Metrics(t.Context())
	must(t, err)
	for _, file := range []string{"logs/taffrail-main.log", "audit.log"} {
		text, err := os.ReadFile(filepath.Join(cluster.Dir, file))
		must(t, err)
		metrics += string(text)
	}
	for line := range strings.Lines(metrics) {
		if strings.Contains(line, mark) {
			t.Errorf("it is in %.2000s", line)
		}
	}
}

// An image that contains a password is reported without the password. A different password in the same place is
// a different violation, although both look the same.
func TestAPasswordInAnImageIsToldWithoutIt(t *testing.T) {
	t.Parallel()
	label := unique("image-password")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	image := func(password string) *corev1.Pod {
		return podOf(namespace, "web", corev1.Container{Name: "main", Image: "user:" + password + "@registry.example/web"})
	}
	early := image("first")
	admit(t, "before there is a Guardrail", cluster.Alice.Create(t.Context(), early))
	putGuardrail(t, binding(label, label, "image-tag"))
	words := deny(t, "a new one", cluster.Alice.Create(t.Context(), func() *corev1.Pod { p := image("other"); p.Name = "new"; return p }()))
	if !strings.Contains(words, `image "***@registry.example/web" has a password and cannot be pulled: use imagePullSecrets`) {
		t.Error(words)
	}
	early.Labels = map[string]string{"a": "b"}
	admit(t, "a label", cluster.Alice.Update(t.Context(), early))
	early.Spec.Containers[0].Image = image("second").Spec.Containers[0].Image
	deny(t, "another password", cluster.Alice.Update(t.Context(), early))
}
