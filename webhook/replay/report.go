package replay

import (
	"time"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay/auditlog"
)

// Report is the answer of a replay.
type Report struct {
	Log      auditlog.Stats `json:"log"`
	Gaps     []auditlog.Gap `json:"gaps"`
	Coverage Coverage       `json:"coverage"`
	// Evicted counts the objects that were forgotten for want of memory, so that later writes of them are unknown.
	Evicted int64  `json:"evicted"`
	Counts  Counts `json:"counts"`
	// Reasons counts the writes that are unknown as a whole, or for want of facts, by the reason, the most frequent first.
	Reasons []Reason `json:"reasons"`
	// The Groups are sorted by consequence.
	Namespaces []Group `json:"namespaces"`
	Policies   []Group `json:"policies"`
	Writers    []Group `json:"writers"`
	Kinds      []Group `json:"kinds"`
	// Hours has the hours in which something is not allowed, sorted.
	Hours []Hour `json:"hours"`
	// Workloads has those that are not simply admitted, without those that are unknown only for want of facts. It is
	// sorted by verdict, then by frequency. MoreWorkloads counts the writes of further ones.
	Workloads     []Workload `json:"workloads"`
	MoreWorkloads int64      `json:"moreWorkloads"`
	// Changes has what differs under a second configuration, or is nil if there is none.
	Changes *Changes `json:"changes,omitempty"`
}

// Counts counts writes. Every write that is sent is in exactly one of Deny, Unknown, Warn, Allow and Unbound.
type Counts struct {
	// Sent counts the writes that the webhook configurations send.
	Sent    int64 `json:"sent"`
	Deny    int64 `json:"deny"`
	Unknown int64 `json:"unknown"`
	Warn    int64 `json:"warn"`
	Allow   int64 `json:"allow"`
	// Unbound counts the writes of objects to which no policy applies.
	Unbound int64 `json:"unbound"`
	// Filled counts the Pods into which values would be injected.
	Filled int64 `json:"filled"`
	// Refused counts those of Sent that the API server refused later.
	Refused int64 `json:"refused"`
	// Undone counts the Pods that are decided without values that Taffrail had filled in. NotUndone counts those that
	// are unknown because these values cannot be separated from others.
	Undone    int64 `json:"undone"`
	NotUndone int64 `json:"notUndone"`
	// The others were not sent.
	NotSent   int64 `json:"notSent"`
	DryRuns   int64 `json:"dryRuns"`
	Unreached int64 `json:"refusedBefore"`
}

// Reason is why writes are unknown.
type Reason struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// Group counts the writes of a namespace, a writer or a kind, or the findings of a policy.
type Group struct {
	Name    string `json:"name"`
	Deny    int64  `json:"deny"`
	Unknown int64  `json:"unknown"`
	Warn    int64  `json:"warn"`
	Filled  int64  `json:"filled"`
}

// Hour counts the writes of an hour.
type Hour struct {
	From    time.Time `json:"from"`
	Deny    int64     `json:"deny"`
	Unknown int64     `json:"unknown"`
	Warn    int64     `json:"warn"`
}

// Workload is an object with the same findings, however often it was written.
type Workload struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Namespace  string           `json:"namespace"`
	Name       string           `json:"name"`
	Verdict    decision.Verdict `json:"verdict"`
	Findings   []Finding        `json:"findings"`
	// Writers has the first users who have written it.
	Writers []string `json:"writers"`
	// Operator is the kind of the custom resource that controls the object, as in Database.example.com, or empty.
	Operator string    `json:"operator"`
	Count    int64     `json:"count"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`

	// unnamed is true if the Name lacks a credential. named has those Writers that lack none.
	unnamed bool
	named   []string
}

// Finding is a finding in a Workload.
type Finding struct {
	Policy      string        `json:"policy"`
	Guardrails  []string      `json:"guardrails"`
	Mode        decision.Mode `json:"mode"`
	Outcome     string        `json:"outcome"`
	Container   string        `json:"container"`
	Path        string        `json:"path"`
	Message     string        `json:"message"`
	Remediation string        `json:"remediation"`
	Unknown     string        `json:"unknown"`
	// Text is the finding as admission prints it.
	Text string `json:"text"`
}

// Changes is what a second configuration changes.
type Changes struct {
	// Writes is the number of writes about which something changes.
	NewlyDenied    int64 `json:"newlyDenied"`
	NoLongerDenied int64 `json:"noLongerDenied"`
	// OtherMode counts the writes with other findings, or with findings under another mode, that are denied under both
	// configurations or under none. OtherPatch counts those that differ only in what is injected.
	OtherMode  int64 `json:"otherMode"`
	OtherPatch int64 `json:"otherPatch"`
	// Uncertain counts the writes that are unknown under the second configuration, or only under the first, and denied
	// under the second.
	Uncertain int64 `json:"uncertain"`
	// Errors counts those of Uncertain that could not be decided because of an error.
	Errors    int64    `json:"errors"`
	Workloads []Change `json:"workloads"`
	// MoreWorkloads counts the changed writes of workloads beyond those listed.
	MoreWorkloads int64 `json:"moreWorkloads"`
}

// Change is what a second configuration changes about a Workload.
type Change struct {
	Workload

	What   ChangeKind       `json:"what"`
	Before decision.Verdict `json:"before"`
	// Removed has the findings that only the first configuration has. Those of the Workload are the ones that only the
	// second has.
	Removed []Finding `json:"removed"`
}

// ChangeKind is how a write is affected by another configuration.
type ChangeKind string

// The ChangeKinds, in the order of consequence.
const (
	NewlyDenied    ChangeKind = "newly denied"
	Uncertain      ChangeKind = "uncertain"
	NoLongerDenied ChangeKind = "no longer denied"
	OtherMode      ChangeKind = "other findings or modes"
	OtherPatch     ChangeKind = "other patch"
)

func changeKinds() []ChangeKind {
	return []ChangeKind{NewlyDenied, Uncertain, NoLongerDenied, OtherMode, OtherPatch}
}
