package admission_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// realHandler is a Handler with every policy of the library, bound to every namespace.
type realHandler struct {
	mux *http.ServeMux
	log *strings.Builder
}

func newRealHandler(tb testing.TB, mode v1alpha1.Mode, facts pipeline.FactSource) realHandler {
	tb.Helper()
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		tb.Fatal(err)
	}
	all := v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Spec: v1alpha1.GuardrailSpec{Mode: mode}}
	for _, policy := range catalog.Policies() {
		all.Spec.Policies = append(all.Spec.Policies, v1alpha1.PolicyBinding{Name: policy.ID})
	}
	decider := newDecider(tb, catalog, all, facts)
	r := realHandler{mux: http.NewServeMux(), log: &strings.Builder{}}
	admission.New(admission.Options{
		Current: func() admission.Decider { return decider },
		Log:     funcr.New(func(_, args string) { r.log.WriteString(args) }, funcr.Options{Verbosity: 1}),
	}).Register(r.mux)
	return r
}

// newDecider returns the Decider of one Guardrail.
func newDecider(tb testing.TB, catalog *rego.Catalog, guardrail v1alpha1.Guardrail, facts pipeline.FactSource) *pipeline.Decider {
	tb.Helper()
	snapshot, problems, err := config.Build(tb.Context(), catalog, config.Objects{Guardrails: []v1alpha1.Guardrail{guardrail}})
	if err != nil || len(problems) > 0 {
		tb.Fatal(problems, err)
	}
	return pipeline.New(snapshot, facts, pipeline.Options{})
}

// binding returns the Decider of a Guardrail named chapter that binds one policy of the library.
func binding(tb testing.TB, mode v1alpha1.Mode, policy string, facts pipeline.FactSource) *pipeline.Decider {
	tb.Helper()
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		tb.Fatal(err)
	}
	return newDecider(tb, catalog, v1alpha1.Guardrail{
		ObjectMeta: metav1.ObjectMeta{Name: "chapter"},
		Spec:       v1alpha1.GuardrailSpec{Mode: mode, Policies: []v1alpha1.PolicyBinding{{Name: policy}}},
	}, facts)
}

// post returns the answer, and clears the log.
func (r realHandler) post(path string, body []byte) *httptest.ResponseRecorder {
	r.log.Reset()
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	r.mux.ServeHTTP(answer, request)
	return answer
}

// plain knows namespaces without labels, LimitRanges or quotas.
type plain struct{}

func (plain) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	return decision.Namespace{Name: name, Known: true}, nil
}

func (plain) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return decision.Facts{}, nil
}

// silent knows nothing.
type silent struct{ plain }

func (silent) Namespace(context.Context, string) (decision.Namespace, error) {
	return decision.Namespace{}, errors.New("no answer")
}
