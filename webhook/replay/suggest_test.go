package replay_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

func TestSuggest(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	c := replay.NewCollector(replay.CollectorOptions{})
	owned := pod(bad)
	owned["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{"apiVersion": "db.example.com/v1", "kind": "Database", "name": "d", "uid": "d1", "controller": true}}
	const token = "key-0123456789abcdef0123456789abcdef" // Redact changes it
	named := func(name string) map[string]any {
		d := deployment(bad)
		d["metadata"].(map[string]any)["name"] = name
		return d
	}
	results := []replay.Result{
		l.write("create", "apps/deployments", "web", deployment(bad)),
		l.write("create", "pods", "db-0", owned, func(e *auditlog.Event) { e.User.Username = "system:serviceaccount:db:operator" }),
		l.write("create", "apps/deployments", "fine", deployment(good)),
		l.write("create", "apps/deployments", token, named(token)),
		l.write("create", "pods", "db-1", owned, func(e *auditlog.Event) { e.User.Username = token }),
	}
	for i := range results {
		c.Add(&results[i])
	}
	now := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	suggested, err := replay.Suggest(c.Report(&auditlog.Stats{}, 0), now)
	if err != nil || len(suggested) != 2 {
		t.Fatal(err, suggested)
	}
	if text := suggested[0].Text; suggested[0].File != "trusted-writers.yaml" || !strings.Contains(text, `# Guardrail team:`) || !strings.Contains(text, `"system:serviceaccount:db:operator"`) {
		t.Errorf("%s", text)
	}
	file := filepath.Join(t.TempDir(), suggested[1].File)
	if err := os.WriteFile(file, []byte(suggested[1].Text), 0o600); err != nil {
		t.Fatal(err)
	}
	catalog, err := library()
	if err != nil {
		t.Fatal(err)
	}
	files, errs := config.LoadFiles(file)
	if errs = append(errs, files.Check(catalog)...); len(errs) > 0 {
		t.Fatal(errs)
	}
	exemptions := files.Objects().Exemptions
	if len(exemptions) != 1 || exemptions[0].Name != "replay-shop-image-tag" || exemptions[0].Spec.Expires != "2026-12-01" ||
		strings.Join(exemptions[0].Spec.Names, " ") != "web" || strings.Join(exemptions[0].Spec.Kinds, " ") != "Deployment.apps" {
		t.Errorf("%+v", exemptions)
	}
}
