package config

import (
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// Snapshot is a compiled configuration. It is immutable, safe for concurrent use, and a pure
// function of the library and the stored objects: replicas that read the same objects make the
// same decisions.
type Snapshot struct {
	id         string
	catalog    *rego.Catalog
	guardrails Guardrails
	exemptions Exemptions
	program    *rego.Program
	bindings   int
	versions   map[string]Version
	// parameters has the parameters of mutating policies, by instance.
	parameters []apiextensionsv1.JSON
	// keys has the ResolvedBinding.Key of each instance, and sources a hash of each user's Policy by name.
	keys    []string
	sources map[string]string
}

// ID returns a short hash of the configuration. Replicas with the same ID make the same
// decisions.
func (s *Snapshot) ID() string { return s.id }

// Guardrails returns the Guardrails in force, sorted by name. Callers must not modify them.
func (s *Snapshot) Guardrails() Guardrails { return s.guardrails }

// Program returns the compiled policies, indexed by the instances of bindings.
func (s *Snapshot) Program() *rego.Program { return s.program }

// Versions returns, by name, the version of each Guardrail in force.
func (s *Snapshot) Versions() map[string]Version { return s.versions }

// Version identifies a version of a stored object.
type Version struct {
	UID        types.UID
	Generation int64
}

// Bindings returns the number of bindings of all Guardrails in force.
func (s *Snapshot) Bindings() int { return s.bindings }

// Catalog returns the library's policies and the Policies in force.
func (s *Snapshot) Catalog() *rego.Catalog { return s.catalog }

// Exemptions returns all valid Exemptions, including expired ones.
func (s *Snapshot) Exemptions() Exemptions { return s.exemptions }

// Honored is Guardrails.Honored for the Guardrails in force.
func (s *Snapshot) Honored(e *Exemption, namespaceOf func(name string) decision.Namespace, now time.Time) []Honored {
	return s.guardrails.Honored(e, namespaceOf, now)
}
