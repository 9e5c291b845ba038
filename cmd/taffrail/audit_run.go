package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/report"
)

// auditor audits clusters one after the other and prints one report.
type auditor struct {
	flags    *auditFlags
	clusters []*auditedCluster
	// earlier is nil if there is nothing to compare with.
	earlier  *report.Earlier
	printer  report.Printer
	progress *progress
	totals   report.Totals

	// unread has what was not read, by cluster, and undecided the objects, and the policies in objects, that were not
	// decided.
	unread    map[string][]audit.Unread
	undecided map[string]bool
}

// errInterrupted is reported if an interrupt ended the audit.
var errInterrupted = errors.New("the audit was interrupted, so the report is not complete")

// run audits the clusters and prints the report. Errors that concern a part of what was asked for are in the report.
func (a *auditor) run(ctx context.Context) error {
	a.unread, a.undecided = map[string][]audit.Unread{}, map[string]bool{}
	start := &report.Report{Live: true, Compared: a.earlier != nil, Notes: differences(a.clusters)}
	if a.earlier != nil && a.earlier.Incomplete {
		start.Notes = append(start.Notes, "the report to compare with has errors: findings that it lacks are new here")
	}
	for _, c := range a.clusters {
		start.Notes = append(start.Notes, a.notes(c)...)
	}
	if err := a.add(start); err != nil {
		return err
	}
	for _, c := range a.clusters {
		err := c.err
		switch {
		case err != nil:
		case ctx.Err() != nil:
			err = errInterrupted
		default:
			err = a.audit(ctx, c)
		}
		if err != nil {
			a.unread[c.name] = append(a.unread[c.name], everythingUnread)
			if err := a.add(problemReport(c, err)); err != nil {
				return err
			}
		}
	}
	a.progress.end()
	if a.earlier != nil {
		if err := a.add(&report.Report{Gone: a.earlier.Gone(a.wasRead)}); err != nil {
			return err
		}
	}
	return a.printer.Close()
}

func (a *auditor) add(piece *report.Report) error {
	a.totals.Add(piece)
	return a.printer.Add(piece)
}

// notes returns what a reader of the report has to know about the configuration and the scope.
func (a *auditor) notes(c *auditedCluster) (notes []string) {
	if c.err != nil {
		return nil
	}
	for _, note := range c.decider.source.notes {
		if len(a.clusters) > 1 && !strings.Contains(note, "cluster "+c.name) {
			note = "cluster " + c.name + ": " + note
		}
		notes = append(notes, note)
	}
	if names := c.namespaces(a.flags); len(names) > 0 {
		only := "namespace " + names[0] + " was"
		if len(names) > 1 {
			only = "namespaces " + strings.Join(names, ", ") + " were"
		}
		notes = append(notes, fmt.Sprintf("of cluster %s, only %s audited; -A audits all", c.name, only))
	}
	if a.flags.labels != "" {
		notes = append(notes, fmt.Sprintf("of cluster %s, only objects with the labels %s were audited", c.name, a.flags.labels))
	}
	if c.skipsSecrets() {
		notes = append(notes, fmt.Sprintf("of cluster %s, no Secret was read; --secrets reads them", c.name))
	}
	return notes
}

// everythingUnread stands for all kinds of a cluster.
var everythingUnread = audit.Unread{}

func problemReport(c *auditedCluster, errs ...error) *report.Report {
	r := &report.Report{}
	for _, err := range errs {
		r.Errors = append(r.Errors, report.Problem{Message: decision.Redact("cluster " + c.name + ": " + err.Error())})
	}
	return r
}

// audit audits one cluster. It returns an error if what is missing cannot be said more precisely.
func (a *auditor) audit(ctx context.Context, c *auditedCluster) error {
	namespaces, unread, missing := c.existing(ctx, c.namespaces(a.flags))
	if len(namespaces) == 0 && len(missing) > 0 {
		return errors.Join(missing...)
	}
	for _, name := range unread {
		a.unread[c.name] = append(a.unread[c.name], audit.Unread{Namespace: name})
	}
	failures := &auditFailures{}
	var failed error
	totals, err := c.scanner.ScanAll(ctx, c.pipelineOf(), audit.AllOptions{
		Mapper: c.mapper, Namespaces: namespaces, Labels: a.flags.labels,
		Progress: func(p audit.Progress) { a.progress.kind(c.name, p) },
		Each: func(s *audit.Scanned) {
			a.progress.object()
			if failed == nil {
				failed = a.object(ctx, c, s, failures)
			}
		},
	})
	if failed != nil {
		return failed
	}
	errs := append(missing, failures.errors()...)
	for _, unread := range totals.Unread {
		if unread.NotServed {
			continue // a kind that the cluster does not serve has no objects in it
		}
		a.unread[c.name] = append(a.unread[c.name], unread)
		errs = append(errs, unreadError(unread))
	}
	errs = append(errs, firstErrors(c.decider.source.unread())...)
	if err := a.add(problemReport(c, errs...)); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// unreadError returns the error for a kind. Reads that the API server refuses are the usual case, and its message
// names the user, the verb and the resource.
func unreadError(u audit.Unread) error {
	err := u.Err
	if status := apierrors.APIStatus(nil); apierrors.IsForbidden(err) && errors.As(err, &status) {
		err = errors.New(status.Status().Message)
		return fmt.Errorf("you are not permitted to read every %s: %w", u.Kind, err)
	}
	return fmt.Errorf("%s could not be read: %w", u.Kind, err)
}

// object adds an object to the report.
func (a *auditor) object(ctx context.Context, c *auditedCluster, s *audit.Scanned, failures *auditFailures) error {
	subject := decision.Subject(s.Kind.Kind, s.Namespace, s.Name)
	leave := func(policy string) {
		a.undecided[objectKey(c.name, s.Kind.GroupVersion().String(), s.Kind.Kind, s.Namespace, s.Name, policy)] = true
	}
	if s.Err != nil {
		leave("")
		failures.add(subject, "was not decided", "were not decided", s.Err)
		return nil //nolint:nilerr // the report names it, and the rest is decided
	}
	for i := range s.Decision.Findings {
		if f := &s.Decision.Findings[i]; f.Unknown != "" {
			leave(f.Policy)
		}
	}
	for policy, err := range evaluationErrors(s.Request, s.Decision) {
		leave(policy)
		failures.add(subject, "was not decided in full", "were not decided in full", err)
	}
	passed := map[string]int{s.Namespace: s.Passed}
	if s.FromTemplate && len(s.Decision.Findings) == 0 {
		return a.add(&report.Report{Passed: passed}) // the object is in the report as its template
	}
	object := report.Object{
		Request: s.Request, Decision: s.Decision, Cluster: c.name, Context: c.context, Owner: c.decider.owner(ctx, s.Request, c.scanner.Facts),
	}
	if a.earlier != nil {
		a.earlier.Compare(&object)
	}
	return a.add(&report.Report{Objects: []report.Object{object}, Passed: passed})
}

func objectKey(parts ...string) string { return strings.Join(parts, "\x00") }

// wasRead reports whether the object of an earlier finding would be in this report if it still existed.
func (a *auditor) wasRead(g *report.GoneFinding) bool {
	cluster, apiVersion, kind, namespace, name := g.Object()
	at := slices.IndexFunc(a.clusters, func(c *auditedCluster) bool { return c.name == cluster })
	// An object may have lost the labels that were selected.
	if at < 0 || a.flags.labels != "" || !a.flags.selects(g.Policy()) || a.undecided[objectKey(cluster, apiVersion, kind, namespace, name, "")] || a.undecided[objectKey(cluster, apiVersion, kind, namespace, name, g.Policy())] {
		return false
	}
	if only := a.namespacesOf(a.clusters[at]); len(only) > 0 && !slices.Contains(only, namespace) {
		return false
	}
	version, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return false
	}
	if version.Group == "" && kind == "Secret" && !a.flags.secrets {
		return false
	}
	return !slices.ContainsFunc(a.unread[cluster], func(u audit.Unread) bool {
		return (u.Kind.Empty() || u.Kind == version.WithKind(kind).GroupKind()) && (u.Namespace == "" || u.Namespace == namespace)
	})
}

func (a *auditor) namespacesOf(c *auditedCluster) []string {
	if c.err != nil {
		return nil
	}
	return c.namespaces(a.flags)
}
