package decision

// Fill is one value that an injection sets, or will set once Pods are created.
type Fill struct {
	Policy     string
	Guardrails []string
	Mode       Mode
	Container  string
	// Field is relative to the container, as in resources.requests.cpu.
	Field string
	Value string
	// Left says why an enforced injection leaves the field as it is; empty otherwise. Mode is
	// then audit.
	Left string
	// Undecided is set if whether it is left could not be found out.
	Undecided bool
}

// Decision is the outcome for one Request.
type Decision struct {
	Verdict Verdict
	// Unbound is true if no policy that is bound for the object is about its kind: then the
	// Verdict is VerdictAllow, and nothing was evaluated.
	Unbound bool
	// Findings are sorted by what they cost, then by policy, container and key.
	Findings []Finding
	// Fills is what enforced injections set. For a template nothing is patched: its
	// Pods will be filled.
	Fills []Fill
	// Patch applies to Request.Original; empty where nothing is to be changed.
	Patch []PatchOperation
	// Errors name the policies that could not be evaluated, by id.
	Errors map[string]error
}
