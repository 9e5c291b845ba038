package config

import (
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// Snapshot is a compiled configuration. It is immutable, safe for concurrent use, and
// a pure function of the library and the stored objects: two replicas that see the same
// objects decide the same.
type Snapshot struct {
	id         string
	catalog    *rego.Catalog
	guardrails Guardrails
	exemptions Exemptions
	program    *rego.Program
	bindings   int
	versions   map[string]Version
	// parameters of the slots whose policies inject.
	parameters []apiextensionsv1.JSON
}

// ID is a short hash of the configuration: equal on replicas that decide alike.
func (s *Snapshot) ID() string { return s.id }

// Guardrails returns those in force, sorted by name. They must not be written to.
func (s *Snapshot) Guardrails() Guardrails { return s.guardrails }

// Program returns the compiled policies, by the slots of the bindings.
func (s *Snapshot) Program() *rego.Program { return s.program }

// Versions tells by name which Guardrails are in force, and as which version of the stored
// object.
func (s *Snapshot) Versions() map[string]Version { return s.versions }

// Version of a stored object.
type Version struct {
	UID        types.UID
	Generation int64
}

// Bindings counts the policies bound by all Guardrails in force.
func (s *Snapshot) Bindings() int { return s.bindings }

// Catalog has the library's policies and those of the users' own that are in force.
func (s *Snapshot) Catalog() *rego.Catalog { return s.catalog }

// Exemptions are all that are right, in force or expired.
func (s *Snapshot) Exemptions() Exemptions { return s.exemptions }

// Honoured lists what the Guardrails make of an Exemption that bind its policies in one of its
// namespaces.
func (s *Snapshot) Honoured(e *Exemption, namespaceOf func(name string) decision.Namespace, now time.Time) []Honoured {
	return s.guardrails.Honoured(e, namespaceOf, now)
}
