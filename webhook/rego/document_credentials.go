package rego

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// credentialsDocument is input.credentials of an object whose texts are scanned. Each of its members takes a scan of its
// own, of which most objects and parameters need one.
type credentialsDocument struct {
	ctx                         context.Context
	request                     *decision.Request
	found, plain, fromConfigMap any
}

// newCredentialsDocument returns nil for a kind that no policy about credentials covers.
func newCredentialsDocument(ctx context.Context, r *decision.Request) any {
	if r.Workload != nil || r.Kind.GroupKind() == (schema.GroupKind{Kind: "ConfigMap"}) {
		return &credentialsDocument{ctx: ctx, request: r}
	}
	if found := credentialsInput(ctx, r); found != nil {
		return found
	}
	return nil
}

// Get implements compile.Document.
func (d *credentialsDocument) Get(name string) any {
	switch name {
	case "found":
		d.look()
		return d.found
	case "fromConfigMap":
		d.look()
		return d.fromConfigMap
	case "plain":
		if d.plain == nil {
			p := newTextCollector(d.ctx)
			p.found = nil
			p.scan(d.request)
			d.plain = p.plain
		}
		return d.plain
	}
	return nil
}

func (d *credentialsDocument) look() {
	if d.found != nil {
		return
	}
	p := newTextCollector(d.ctx)
	p.plain = nil
	p.scan(d.request)
	d.found = p.found
	if d.request.Workload != nil {
		d.fromConfigMap = p.fromConfigMap
	}
}

// Names implements compile.Document.
func (d *credentialsDocument) Names() []string {
	return existing(d, []string{"found", "fromConfigMap", "plain"})
}
