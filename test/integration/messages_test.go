package integration

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/policies"
	"taffrail.dev/test/golden"
	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
)

// example describes how the example of a policy differs from most.
type example struct {
	// commands lists the kubectl commands. It defaults to "apply -f <policy>.yaml".
	commands []string
	// user defaults to Alice, who may not write every object.
	user *harness.User
	// namespace is the name of the namespace in the golden file. It defaults to "shop".
	namespace  string
	parameters func(namespace string) string
}

var examples = map[string]func() example{
	"inject-resources": func() example {
		return example{commands: []string{
			"apply -f inject-resources.yaml",
			"create -f inject-resources.yaml -o jsonpath={.spec.containers[*].resources}",
		}}
	},
	// A namespace that is being created is never at fault, because it cannot contain a LimitRange yet.
	"namespace-limits": func() example {
		return example{user: cluster.Admin, commands: []string{"label namespace shop team=web"}}
	},
	// Other tests use the real one.
	"no-default-namespace": func() example {
		return example{namespace: "default", parameters: func(namespace string) string {
			return fmt.Sprintf(`{"namespaces": [%q]}`, namespace)
		}}
	},
}

// What kubectl prints for an example of each policy, with only that policy bound: under enforce, under warn
// and, with the audit log's annotations, under audit. The examples and the golden files are in
// testdata/messages; <policy>.namespace.yaml is the content of the namespace.
func TestMessagesOfEveryPolicy(t *testing.T) {
	t.Parallel()
	catalog, err := rego.Load(policies.FS)
	must(t, err)
	for _, policy := range catalog.Policies() {
		t.Run(policy.ID, func(t *testing.T) {
			t.Parallel()
			e := example{}
			if made, differs := examples[policy.ID]; differs {
				e = made()
			}
			if e.user == nil {
				e.user = cluster.Alice
			}
			if e.namespace == "" {
				e.namespace = "shop"
			}
			if e.commands == nil {
				e.commands = []string{"apply -f " + policy.ID + ".yaml"}
			}
			s := newSession(t, "messages-"+policy.ID, e.namespace)
			binding := v1alpha1.PolicyBinding{Name: policy.ID}
			if e.parameters != nil {
				binding.Parameters = &apiextensionsv1.JSON{Raw: []byte(e.parameters(s.namespace))}
			}
			for _, mode := range []v1alpha1.Mode{v1alpha1.ModeEnforce, v1alpha1.ModeWarn, v1alpha1.ModeAudit} {
				s.bindWith(mode, binding)
				if mode == v1alpha1.ModeEnforce && s.prepare(policy.ID) {
					s.await(policy.ID, e.user, e.commands[0]+" --dry-run=server")
				}
				s.say("== %s", mode)
				for _, command := range e.commands {
					written := s.kubectl(e.user, command+" --dry-run=server")
					if mode == v1alpha1.ModeAudit {
						s.auditLog(written)
					}
				}
			}
			golden.Check(t, "testdata/messages/"+policy.ID+".txt", s.text())
		})
	}
}

// What kubectl prints in special cases, independently of the policy.
func TestMessagesInSpecialCases(t *testing.T) {
	t.Parallel()
	for name, play := range map[string]func(s *session){
		// Findings after the twentieth are only counted, and so are warnings.
		"many": func(s *session) {
			for _, mode := range []v1alpha1.Mode{v1alpha1.ModeEnforce, v1alpha1.ModeWarn} {
				s.bind(mode, "require-resources", "image-tag")
				s.kubectl(cluster.Alice, "apply -f many.yaml --dry-run=server")
			}
		},
		// A value that cannot be filled in is named, with the reason.
		"gap": func(s *session) {
			s.bind(v1alpha1.ModeEnforce, "inject-resources", "require-resources")
			s.prepare("gap")
			s.await("LimitRange/pods", cluster.Alice, "create -f gap.yaml --dry-run=server")
			s.kubectl(cluster.Alice, "create -f gap.yaml --dry-run=server")
		},
		// An existing violation is tolerated; an added one is not.
		"tolerated": func(s *session) {
			s.kubectl(cluster.Alice, "create deployment web --image=nginx")
			s.bind(v1alpha1.ModeEnforce, "image-tag", "require-probes", "min-replicas")
			s.kubectl(cluster.Alice, "set env deployment/web LANG=C")
			s.kubectl(cluster.Alice, "set image deployment/web nginx=nginx:latest")
		},
		// An undecided finding does not deny.
		"unknown": func(s *session) {
			s.bind(v1alpha1.ModeEnforce, "volume-access")
			s.kubectl(cluster.Alice, "apply -f volume-access.yaml --dry-run=server")
		},
		"ephemeral-container": func(s *session) {
			s.bind(v1alpha1.ModeEnforce, "image-tag")
			s.kubectl(cluster.Admin, "run web --image=nginx:1.27.3")
			s.kubectl(cluster.Admin, "debug web --image=busybox --container=debugger --attach=false")
		},
		"generate-name": func(s *session) {
			s.bind(v1alpha1.ModeEnforce, "image-tag")
			s.kubectl(cluster.Alice, "create -f generate-name.yaml --dry-run=server")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t, "messages-"+name, "shop")
			play(s)
			golden.Check(t, "testdata/messages/special/"+name+".txt", s.text())
		})
	}
}

// session is what a user does in a terminal, in a namespace that has another name in the transcript.
type session struct {
	*testing.T
	namespace, alias string
	told             strings.Builder
	// audited has the IDs of the audit log's requests that were printed already.
	audited map[string]bool
}

func newSession(t *testing.T, namespace, alias string) *session {
	t.Helper()
	return &session{T: t, namespace: newNamespace(t, namespace), alias: alias, audited: map[string]bool{}}
}

func (s *session) say(format string, args ...any) {
	if s.told.Len() > 0 {
		s.told.WriteByte('\n')
	}
	fmt.Fprintf(&s.told, format+"\n", args...)
}

// generated matches the name that the API server generates for the example of generate-name.
var generated = regexp.MustCompile(`import-[a-z0-9]{5}\b`)

func (s *session) text() string {
	return generated.ReplaceAllString(strings.ReplaceAll(s.told.String(), s.namespace, s.alias), "import-xxxxx")
}

// bind binds only the given policies to the namespace, in one mode.
func (s *session) bind(mode v1alpha1.Mode, policies ...string) {
	s.Helper()
	var bindings []v1alpha1.PolicyBinding
	for _, policy := range policies {
		bindings = append(bindings, v1alpha1.PolicyBinding{Name: policy})
	}
	s.bindWith(mode, bindings...)
}

func (s *session) bindWith(mode v1alpha1.Mode, bindings ...v1alpha1.PolicyBinding) {
	s.Helper()
	g := &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-guardrail"}}
	g.Spec = v1alpha1.GuardrailSpec{Mode: mode, Existing: v1alpha1.ExistingTolerate, Policies: bindings}
	g.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": s.namespace}}
	putGuardrail(s.T, g)
}

// prepare creates the objects in a file, if it exists.
func (s *session) prepare(name string) bool {
	s.Helper()
	content, err := os.ReadFile(filepath.Join("testdata/messages", name+".namespace.yaml"))
	if os.IsNotExist(err) {
		return false
	}
	must(s.T, err)
	printed, err := cluster.KubectlWith(s.Context(), cluster.Admin, nil, content, "create", "-n", s.namespace, "-f", "-")
	must(s.T, err)
	if printed.ExitCode != 0 {
		s.Fatal(printed.Output)
	}
	return true
}

// await waits until Taffrail knows the content of the namespace.
func (s *session) await(policy string, user *harness.User, command string) {
	s.Helper()
	eventually(s.T, policy+" to know the namespace", func(ctx context.Context) error {
		if printed := s.run(ctx, user, command); !strings.Contains(printed.Output, policy) {
			return fmt.Errorf("kubectl prints:\n%s", printed.Output)
		}
		return nil
	})
}

// kubectl adds a command, its output and its exit code to the transcript. It returns how many objects the
// command writes.
func (s *session) kubectl(user *harness.User, command string) (writes int) {
	s.Helper()
	printed := s.run(s.Context(), user, command)
	s.say("$ kubectl %s", command)
	s.told.WriteString(printed.Output)
	if !strings.HasSuffix(printed.Output, "\n") {
		s.told.WriteByte('\n')
	}
	fmt.Fprintf(&s.told, "(exit code %d)\n", printed.ExitCode)
	for _, content := range filesOf(s.T, command) {
		writes += strings.Count(string(content), "\n---\n")
	}
	return writes + 1
}

func (s *session) run(ctx context.Context, user *harness.User, command string) *harness.Printed {
	s.Helper()
	args := strings.Fields(strings.ReplaceAll(command, " "+s.alias+" ", " "+s.namespace+" "))
	printed, err := cluster.KubectlWith(ctx, user, filesOf(s.T, command), nil, append(args, "-n", s.namespace)...)
	must(s.T, err)
	return printed
}

// filesOf returns the examples that a command names.
func filesOf(t *testing.T, command string) harness.Files {
	t.Helper()
	files := harness.Files{}
	for word := range strings.FieldsSeq(command) {
		if filepath.Ext(word) == ".yaml" {
			content, err := os.ReadFile(filepath.Join("testdata/messages", word))
			must(t, err)
			files[word] = content
		}
	}
	return files
}

// auditLog adds what Taffrail wrote to the audit log about objects under audit.
func (s *session) auditLog(writes int) {
	s.Helper()
	for range writes {
		event, err := cluster.Audited(s.Context(), "a write in "+s.namespace, func(e *harness.AuditEvent) bool {
			return e.ObjectRef.Namespace == s.namespace && !s.audited[e.AuditID] && underAudit(ours(e))
		})
		must(s.T, err)
		s.audited[event.AuditID] = true
		notes := ours(event)
		for _, key := range slices.Sorted(maps.Keys(notes)) {
			fmt.Fprintf(&s.told, "audit log: %s=%s\n", key, notes[key])
		}
	}
}

func underAudit(notes map[string]string) bool {
	for _, note := range notes {
		if strings.HasPrefix(note, "audit, ") {
			return true
		}
	}
	return false
}
