package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/live"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/rego"
)

// sourceFlags select where the configuration and the facts come from.
type sourceFlags struct {
	config, facts []string
	live          bool

	clusterFlags
}

func (f *sourceFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVarP(&f.config, "config", "c", nil, "file or folder of Guardrails, Exemptions and Policies, or an export; without Guardrails, the built-in ones apply (repeatable)")
	flags.StringArrayVar(&f.facts, "facts", nil, "file or folder of Namespaces, LimitRanges and other facts, or an export (repeatable)")
	flags.BoolVar(&f.live, "live", false, "take the facts, and without --config the Guardrails, Exemptions and Policies, from the cluster in the kubeconfig file")
	f.clusterFlags.add(command)
	command.MarkFlagsMutuallyExclusive("live", "facts")
}

// source is the configuration, and what decisions depend on besides the input.
type source struct {
	objects config.Objects
	// complete is true if the objects are all that a cluster has: if there is no Guardrail among
	// them, nothing is decided there.
	complete bool
	// maxMode is the maximum mode of the server, or 0 if it is not known.
	maxMode decision.Mode
	// facts is nil if all facts are in the input.
	facts manifest.ClusterFacts
	// namespace is that of objects that specify none.
	namespace string
	// stored reports whether an object is stored in a cluster.
	stored func(kind, name string) bool
	// notes are about the source as a whole.
	notes []string
	// unread returns an error for everything that verdicts depend on and that could not be read.
	unread func() []error
}

func (s *source) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *source) isStored(kind, name string) bool { return s.stored != nil && s.stored(kind, name) }

// writeNotes writes the notes. Everything in them may come from a cluster.
func (s *source) writeNotes(w io.Writer) error {
	for _, note := range s.notes {
		if _, err := fmt.Fprintln(w, "note:", decision.Printable(note)); err != nil {
			return err
		}
	}
	return nil
}

// source reads the configuration and prepares the facts.
func (f *sourceFlags) source(ctx context.Context, catalog *rego.Catalog) (*source, error) {
	if (f.kubeconfig != "" || f.context != "") && !f.live {
		return nil, &usageError{errors.New("--kubeconfig and --context name a cluster, which is asked only with --live")}
	}
	from := &source{namespace: metav1.NamespaceDefault}
	exports, err := f.readFiles(from, catalog)
	if err != nil {
		return nil, err
	}
	reported := map[string]bool{}
	for _, export := range exports {
		if !reported[export.Source] {
			reported[export.Source] = true
			from.note("%s", exportNote(export, time.Now()))
		}
	}
	if f.live {
		if err := f.readCluster(ctx, from); err != nil {
			return nil, err
		}
	}
	if len(from.objects.Guardrails) == 0 && !from.complete {
		from.objects.Guardrails = config.Default(catalog)
	}
	return from, nil
}

// readFiles reads --config and --facts, and returns the exports among them.
func (f *sourceFlags) readFiles(from *source, catalog *rego.Catalog) ([]*config.Export, error) {
	var exports []*config.Export
	var unread []error
	if len(f.config) > 0 {
		set, errs := config.LoadFiles(f.config...)
		// Build repeats the checks, but only files have lines to report.
		if errs = append(errs, set.Check(catalog)...); len(errs) > 0 {
			return nil, errors.Join(errs...)
		}
		exports = set.Exports()
		from.objects, from.stored, from.complete = set.Objects(), set.Exported, len(exports) > 0
		from.maxMode = live.MaxMode(from.objects.Guardrails)
		unread = live.UnreadConfiguration(exports)
	}
	from.unread = func() []error { return unread }
	if len(f.facts) > 0 {
		facts, errs := live.LoadFacts(f.facts)
		if len(errs) > 0 {
			return nil, errors.Join(errs...)
		}
		from.facts = facts
		from.unread = func() []error { return withUnread(unread, facts.Unread()) }
		exports = append(exports, facts.Exports()...)
	}
	return exports, nil
}

func exportNote(e *config.Export, now time.Time) string {
	at := e.Metadata.CreationTimestamp
	return fmt.Sprintf("%s is an export of cluster %s from %s UTC, %s ago", e.Source, e.Metadata.Name,
		at.UTC().Format("2006-01-02 15:04"), duration.HumanDuration(max(now.Sub(at), 0)))
}

// readCluster reads the configuration of a cluster, unless --config names another, and prepares its
// facts.
func (f *sourceFlags) readCluster(ctx context.Context, from *source) error {
	connection, err := f.connect()
	if err != nil {
		return err
	}
	reader, err := live.NewReader(connection.config)
	if err != nil {
		return err
	}
	facts := live.NewFacts(reader)
	from.facts, from.namespace = facts, connection.namespace
	var unread []error
	if len(f.config) == 0 {
		stored, err := live.ReadConfiguration(ctx, reader)
		if err != nil {
			return err
		}
		if !stored.Installed {
			return live.ErrNotInstalled
		}
		from.take(stored, connection.cluster)
		for _, refused := range stored.Unread {
			unread = append(unread, refused)
		}
	}
	from.unread = func() []error { return withUnread(unread, facts.Unread()) }
	return nil
}

// withUnread appends what only the decisions needed to what the configuration lacks.
func withUnread(errs []error, needed []*live.UnreadError) []error {
	all := slices.Clone(errs)
	for _, refused := range needed {
		all = append(all, refused)
	}
	return all
}

// take uses the configuration of a cluster.
func (s *source) take(stored *live.Configuration, cluster string) {
	s.objects, s.complete, s.maxMode = stored.Objects, true, live.MaxMode(stored.Guardrails)
	s.stored = func(string, string) bool { return true }
	mode := s.maxMode
	if mode == 0 {
		mode = decision.ModeEnforce
	}
	s.note("cluster %s has %s, %s and %s; its maximum mode is %s", cluster, counted(len(stored.Guardrails), "Guardrail", "Guardrails"),
		counted(len(stored.Exemptions), "Exemption", "Exemptions"), counted(len(stored.Policies), "Policy", "Policies"), mode)
	if s.maxMode == 0 && len(stored.Guardrails) > 0 {
		s.note("no Guardrail has the maximum mode of the server in its status, so that is a guess: set it with --max-mode")
	}
	for i := range stored.Guardrails {
		g := &stored.Guardrails[i]
		if reached := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.ConditionReached); reached != nil && reached.Status == metav1.ConditionFalse {
			s.note("Guardrail %s: the API server does not send Taffrail everything: %s", g.Name, reached.Message)
		}
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
