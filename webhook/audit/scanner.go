package audit

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// Scanner decides live objects. It is safe for concurrent use.
type Scanner struct {
	Objects *Objects
	Facts   pipeline.FactSource
}

// Scanned is an object that has been read and decided.
type Scanned struct {
	request.Metadata

	Kind schema.GroupVersionKind
	// Request is the object, or nil if it cannot be read. Its texts are parts of one copy of the object:
	// whoever keeps one must clone it.
	Request *decision.Request
	// Decision is nil if Err is set.
	Decision *decision.Decision
	// FromTemplate is true if a template is decided in place of the object, except by the policies that do not
	// apply to it. Decision then has the findings of these policies only.
	FromTemplate bool
	// Passed is how many policies found nothing in the object. If FromTemplate is true, only those policies count
	// that do not apply to the template.
	Passed int
	// Err is why the object could not be decided.
	Err error
}

// Scan decides the objects of a selection and calls each with every one of them, one after another.
// It skips objects in namespaces that no Guardrail of the Decider selects, and objects that a built-in
// controller made from a template that is decided in their place. The error is that of reading the
// objects, or of ctx.
func (s *Scanner) Scan(ctx context.Context, decider *pipeline.Decider, selection Selection, each func(*Scanned)) error {
	kind := newKindDecider(decider, s.Facts, selection.Mapping.GroupVersionKind)
	_, err := s.Objects.Each(ctx, selection, func(object []byte) error {
		found, err := s.Objects.Metadata(object)
		if err != nil {
			return err
		}
		if !kind.decides(ctx, &found) {
			return ctx.Err()
		}
		scanned := kind.decide(ctx, &found, object)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		each(scanned)
		return nil
	})
	return err
}
