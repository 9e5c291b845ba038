package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/live"
	"taffrail.dev/webhook/pipeline"
)

// auditedCluster is a cluster of an audit.
type auditedCluster struct {
	// name is that of the cluster in the kubeconfig file or, if several contexts lead to clusters of the same
	// name, that of the context.
	name string
	// context is empty for the current one.
	context string
	// err is why the cluster cannot be audited. The other fields are then nil.
	err     error
	decider *decider
	scanner *audit.Scanner
	mapper  meta.RESTMapper
}

// clusters connects to the clusters of all contexts and reads their configuration. An error that concerns one of
// several clusters is in it.
func (f *auditFlags) clusters(ctx context.Context, command *cobra.Command) ([]*auditedCluster, error) {
	contexts := f.contexts
	if len(contexts) == 0 {
		contexts = []string{""}
	}
	names := map[string]int{}
	var all []*auditedCluster
	for _, name := range contexts {
		c, err := f.cluster(ctx, command, name)
		if ctx.Err() != nil {
			return nil, errInterrupted
		}
		if usage := new(usageError); err != nil && (len(contexts) == 1 || errors.As(err, &usage)) {
			return nil, err
		}
		if err != nil {
			c = &auditedCluster{name: name, context: name, err: err}
		}
		names[c.name]++
		all = append(all, c)
	}
	for _, c := range all {
		if names[c.name] > 1 {
			c.name = c.context
		}
	}
	return all, nil
}

func (f *auditFlags) cluster(ctx context.Context, command *cobra.Command, name string) (*auditedCluster, error) {
	of := f.configurationFlags
	of.live, of.orBuiltIn, of.everything, of.context = true, true, f.allNamespaces, name
	compiled, err := of.configuration(ctx, command)
	if err != nil {
		return nil, err
	}
	decider := compiled.decider(compiled.source.namespace)
	decider.ownerLabels = f.ownerLabels
	if err := writeExpired(command.ErrOrStderr(), decider.snapshot.Exemptions(), time.Now()); err != nil {
		return nil, err
	}
	connection := decider.source.connection
	// A user may be permitted to list objects and not to watch them.
	objects, err := audit.NewObjects(connection.config, audit.ObjectsOptions{Pages: true})
	if err != nil {
		return nil, err
	}
	mapper, err := live.Mapper(connection.config)
	if err != nil {
		return nil, err
	}
	if !f.secrets {
		mapper = withoutSecrets{mapper}
	}
	return &auditedCluster{
		name: connection.cluster, context: name, decider: decider, mapper: mapper, scanner: &audit.Scanner{Objects: objects, Facts: decider.source.facts},
	}, nil
}

// withoutSecrets maps kinds as if the cluster did not serve Secrets, so that they are not read.
type withoutSecrets struct{ meta.RESTMapper }

func (m withoutSecrets) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if kind == (schema.GroupKind{Kind: "Secret"}) {
		return nil, &meta.NoKindMatchError{GroupKind: kind, SearchedVersions: versions}
	}
	return m.RESTMapper.RESTMapping(kind, versions...)
}

// skipsSecrets reports whether a policy would decide Secrets if they were read.
func (c *auditedCluster) skipsSecrets() bool {
	_, skips := c.mapper.(withoutSecrets)
	_, bound := audit.TargetOf(c.decider.snapshot, schema.GroupKind{Kind: "Secret"})
	return skips && bound
}

// namespaces returns the namespaces to audit, or nil for all.
func (c *auditedCluster) namespaces(f *auditFlags) []string {
	switch {
	case f.allNamespaces:
		return nil
	case len(f.namespaces) > 0:
		return f.namespaces
	}
	return []string{c.decider.namespace}
}

// existing returns those of the namespaces that exist, and an error for each other one. unread has those of which that
// is not known.
func (c *auditedCluster) existing(ctx context.Context, names []string) (existing, unread []string, errs []error) {
	for _, name := range names {
		namespace, err := c.scanner.Facts.Namespace(ctx, name)
		switch {
		case err != nil:
			unread, errs = append(unread, name), append(errs, err)
		case !namespace.Known && namespace.Missing == live.NamespaceMissing:
			errs = append(errs, fmt.Errorf("namespace %s %s", name, namespace.Missing))
		default:
			existing = append(existing, name)
		}
	}
	return existing, unread, errs
}

// pipelineOf returns the Decider for the objects of the cluster.
func (c *auditedCluster) pipelineOf() *pipeline.Decider {
	return pipeline.New(c.decider.snapshot, c.scanner.Facts, c.decider.options)
}

// evaluationErrors returns an error for each policy that failed for an object and did not deny it, by policy.
func evaluationErrors(r *decision.Request, d *decision.Decision) map[string]error {
	errs := map[string]error{}
	for id, err := range d.Errors {
		if !failsClosed(d, id) {
			errs[id] = evaluationError(r, id, err)
		}
	}
	return errs
}
