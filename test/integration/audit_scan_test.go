package integration

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/live"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/report"
)

// scanned is what a fresh scan of a namespace finds.
func scanned(ctx context.Context, namespace string, o audit.ObjectsOptions) ([]openreports.ReportResult, audit.Totals, error) {
	decider, scanner, mapper, err := newScanner(ctx, o)
	if err != nil {
		return nil, audit.Totals{}, err
	}
	var objects []report.AuditedObject
	totals, err := scanner.ScanAll(ctx, decider, audit.AllOptions{Mapper: mapper, Namespaces: []string{namespace}, Each: func(s *audit.Scanned) {
		if s.Err != nil {
			return
		}
		object := report.AuditedObject{Kind: s.Kind, Namespace: s.Namespace, Name: s.Name, UID: s.UID}
		for _, f := range s.Decision.Findings {
			object.Findings = append(object.Findings, report.AuditedFinding{Finding: f})
		}
		objects = append(objects, object)
	}})
	if err != nil {
		return nil, totals, err
	}
	var results []openreports.ReportResult
	for _, r := range report.OpenReports(namespace, "taffrail", objects, report.Passes{}) {
		results = append(results, r.Results...)
	}
	return results, totals, nil
}

func newScanner(ctx context.Context, o audit.ObjectsOptions) (*pipeline.Decider, *audit.Scanner, meta.RESTMapper, error) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		return nil, nil, nil, err
	}
	reader, err := live.NewReader(cluster.Admin.Config)
	if err != nil {
		return nil, nil, nil, err
	}
	stored, err := live.ReadConfiguration(ctx, reader)
	if err != nil {
		return nil, nil, nil, err
	}
	snapshot, _, err := config.Build(ctx, catalog, stored.Objects)
	if err != nil {
		return nil, nil, nil, err
	}
	objects, err := audit.NewObjects(cluster.Admin.Config, o)
	if err != nil {
		return nil, nil, nil, err
	}
	facts := live.NewFacts(reader)
	return pipeline.New(snapshot, facts, pipeline.Options{}), &audit.Scanner{Objects: objects, Facts: facts}, cluster.Admin.Client.RESTMapper(), nil
}

// equalToScan returns nil if the reports of a namespace have the results of a fresh scan.
func equalToScan(ctx context.Context, namespace string) error {
	want, _, err := scanned(ctx, namespace, audit.ObjectsOptions{})
	if err != nil {
		return err
	}
	got, err := resultsIn(ctx, namespace)
	if err != nil {
		return err
	}
	// The auditor of the tests may not read Secrets, of which there are none.
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(openreports.ReportResult{}, "Timestamp"), cmpopts.EquateEmpty()); diff != "" {
		return fmt.Errorf("-scan +reports:\n%s", diff)
	}
	return nil
}

func wantEqualToScan(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, "the reports to say what a scan finds", func(ctx context.Context) error { return equalToScan(ctx, namespace) })
}

// Pages and the initial events of a watch are the same.
func TestScansReadTheSame(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "scans", enforced, unserved)
	for i := range 5 {
		admit(t, "a Deployment", cluster.Alice.Create(t.Context(), nginx(t, namespace, fmt.Sprint("d", i))))
		admit(t, "a ConfigMap", cluster.Alice.Create(t.Context(), plainConfigMap(namespace, fmt.Sprint("c", i))))
	}
	streamed, totals, err := scanned(t.Context(), namespace, audit.ObjectsOptions{})
	must(t, err)
	paged, pagedTotals, err := scanned(t.Context(), namespace, audit.ObjectsOptions{Pages: true})
	must(t, err)
	if totals.Objects < 10 || totals.Objects != pagedTotals.Objects || totals.Undecided+len(totals.Unread) > 0 || len(streamed) == 0 {
		t.Errorf("%d results, %+v and %+v", len(streamed), totals, pagedTotals)
	}
	if diff := cmp.Diff(streamed, paged); diff != "" {
		t.Errorf("-streamed +paged:\n%s", diff)
	}
}
