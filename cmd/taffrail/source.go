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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/live"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/rego"
)

const configHelp = "file or folder of Guardrails, Exemptions and Policies, or an export; without Guardrails, the built-in ones apply (repeatable)"

// sourceFlags select where the configuration and the facts come from.
type sourceFlags struct {
	config, facts []string
	live          bool
	// everything reads the facts of all namespaces at once.
	everything bool
	// orBuiltIn uses the built-in Guardrails if Taffrail is not installed in the cluster.
	orBuiltIn bool

	clusterFlags
}

func (f *sourceFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVarP(&f.config, "config", "c", nil, configHelp)
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
	// connection is nil if no cluster was asked.
	connection *connection
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
		return nil, &usageError{errors.New("--kubeconfig and --context name a cluster, which is read only with --live")}
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
	return fmt.Sprintf("%s is an export of cluster %s from %s, %s ago", e.Source, e.Metadata.Name,
		decision.TimeText(at), duration.HumanDuration(max(now.Sub(at), 0)))
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
	if f.everything {
		if err := facts.ReadEverything(ctx); err != nil {
			return err
		}
	}
	from.facts, from.namespace, from.connection = facts, connection.namespace, connection
	var unread []error
	if len(f.config) == 0 {
		stored, err := f.readConfiguration(ctx, reader, connection)
		switch {
		case err != nil:
			return err
		case stored.Installed:
			from.take(stored, connection.cluster)
		case f.orBuiltIn:
			from.note("Taffrail is not installed in cluster %s, so the built-in Guardrails apply", connection.cluster)
		default:
			return live.ErrNotInstalled
		}
		for _, refused := range stored.Unread {
			unread = append(unread, refused)
		}
	}
	from.unread = func() []error { return withUnread(unread, facts.Unread()) }
	return nil
}

// readConfiguration reads the configuration of a cluster. An API server refuses to list Guardrails, rather than to say
// that it does not know the kind, if the user has few permissions; so it is asked whether it knows it.
func (f *sourceFlags) readConfiguration(ctx context.Context, reader client.Reader, c *connection) (*live.Configuration, error) {
	stored, err := live.ReadConfiguration(ctx, reader)
	if _, refused := errors.AsType[*live.UnreadError](err); !refused || !f.orBuiltIn {
		return stored, err
	}
	mapper, mapErr := live.Mapper(c.config)
	if mapErr != nil {
		return nil, mapErr
	}
	if _, mapErr := mapper.RESTMapping(v1alpha1.GroupVersion().WithKind(config.KindGuardrail).GroupKind()); meta.IsNoMatchError(mapErr) {
		return &live.Configuration{}, nil
	}
	return nil, fmt.Errorf("%w: name Guardrails with --config", err)
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
	s.note("cluster %s has %s, %s and %s; its maximum mode is %s", cluster, decision.Count(len(stored.Guardrails), "Guardrail", "Guardrails"),
		decision.Count(len(stored.Exemptions), "Exemption", "Exemptions"), decision.Count(len(stored.Policies), "Policy", "Policies"), mode)
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
