package rego

import (
	"context"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
)

// requestDocument is the input of compiled policies. It has the members that newInput makes, computed when a rule first
// reads them, from the Request itself. It is for the goroutine of one request.
type requestDocument struct {
	ctx     context.Context
	request *decision.Request
	// parameters are those of the policy that is evaluated.
	parameters any

	operation, kind, name, origin         any
	object, oldObject                     any
	namespace, containers, workload, gaps any
	// rest has the members that few policies read.
	rest map[string]any
}

func newRequestDocument(ctx context.Context, r *decision.Request) *requestDocument {
	d := &requestDocument{ctx: ctx, request: r, object: r.Object}
	if r.OldObject != nil {
		d.oldObject = r.OldObject
	}
	return d
}

// Get implements compile.Document.
func (d *requestDocument) Get(name string) any {
	switch name {
	case "parameters":
		return d.parameters
	case "object":
		return d.object
	case "oldObject":
		return d.oldObject
	case "operation":
		return lazyText(&d.operation, string(d.request.Operation))
	case "kind":
		return lazyText(&d.kind, d.request.Kind.Kind)
	case "name":
		return lazyText(&d.name, d.request.Name)
	case "origin":
		return lazyText(&d.origin, string(d.request.Origin))
	case "containers":
		if d.containers == nil {
			d.containers = newContainerDocuments(d.request.Workload)
		}
		return d.containers
	case "workload":
		if d.workload == nil && d.request.Workload != nil {
			d.workload = newWorkloadDocument(d.request.Workload)
		}
		return d.workload
	case "namespace":
		if d.namespace == nil {
			d.namespace = newNamespaceDocument(d.request)
		}
		return d.namespace
	case "gaps":
		if d.gaps == nil {
			d.gaps = gapsInput(d.request.Workload)
		}
		return d.gaps
	}
	return d.other(name)
}

// lazyText converts a text when it is first needed: an interface that holds one has a copy of it.
func lazyText(value *any, text string) any {
	if *value == nil {
		*value = text
	}
	return *value
}

func (d *requestDocument) other(name string) any {
	if value, known := d.rest[name]; known {
		return value
	}
	if d.rest == nil {
		d.rest = map[string]any{}
	}
	value := d.compute(name)
	d.rest[name] = value
	return value
}

func (d *requestDocument) compute(name string) any {
	r := d.request
	switch name {
	case "subresource":
		return r.Subresource
	case "group":
		return r.Kind.Group
	case "version":
		return r.Kind.Version
	case "user":
		return map[string]any{"name": r.User.Name, "groups": texts(r.User.Groups)}
	case "claims":
		return claimsInput(r.Claims)
	case "schedule":
		if r.Schedule != nil {
			return scheduleInput(r.Schedule)
		}
	case "lastApplied":
		if r.LastApplied != nil {
			return lastAppliedInput(r.LastApplied)
		}
	case "oldLastApplied":
		if r.OldLastApplied != nil {
			return lastAppliedInput(r.OldLastApplied)
		}
	case "helmRelease":
		if r.HelmRelease {
			return true
		}
	case "stringData":
		if keys := stringDataInput(r); keys != nil {
			return keys
		}
	case "credentials":
		return newCredentialsDocument(d.ctx, r)
	}
	return nil
}

// requestMembers are the members that the input of a policy may have, sorted.
var requestMembers = []string{
	"claims", "containers", "credentials", "gaps", "group", "helmRelease", "kind", "lastApplied", "name", "namespace", "object",
	"oldLastApplied", "oldObject", "operation", "origin", "parameters", "schedule", "stringData", "subresource", "user", "version", "workload",
}

// Names implements compile.Document.
func (d *requestDocument) Names() []string { return existing(d, requestMembers) }

// existing returns those of the names that a document has.
func existing(d compile.Document, names []string) []string {
	all := make([]string, 0, len(names))
	for _, name := range names {
		if d.Get(name) != nil {
			all = append(all, name)
		}
	}
	return all
}

func texts(list []string) []any {
	all := make([]any, len(list))
	for i, text := range list {
		all[i] = text
	}
	return all
}

func textMap(members map[string]string) map[string]any {
	all := make(map[string]any, len(members))
	for name, text := range members {
		all[name] = text
	}
	return all
}

// namespaceDocument is input.namespace.
type namespaceDocument struct {
	request                                   *decision.Request
	name, labels, limitRanges, resourceQuotas any
}

func newNamespaceDocument(r *decision.Request) *namespaceDocument {
	return &namespaceDocument{request: r}
}

// Get implements compile.Document.
func (d *namespaceDocument) Get(name string) any {
	switch name {
	case "name":
		return lazyText(&d.name, d.request.Namespace.Name)
	case "labels":
		if d.labels == nil {
			d.labels = textMap(d.request.Namespace.Labels)
		}
		return d.labels
	case "limitRanges":
		if d.limitRanges == nil {
			d.limitRanges = names(d.request.Facts.LimitRanges)
		}
		return d.limitRanges
	case "resourceQuotas":
		if d.resourceQuotas == nil {
			d.resourceQuotas = names(d.request.Facts.ResourceQuotas)
		}
		return d.resourceQuotas
	}
	return nil
}

// Names implements compile.Document.
func (*namespaceDocument) Names() []string {
	return []string{"labels", "limitRanges", "name", "resourceQuotas"}
}
