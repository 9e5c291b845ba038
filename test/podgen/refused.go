package podgen

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
)

// Refused is a violated bound of a LimitRange, with what both LimitRanger's message and a predicted refusal
// contain. The plugin's message does not name a container.
type Refused struct {
	// Type is the type of the LimitRange's item: Container, Pod or PersistentVolumeClaim.
	Type     string
	Resource string
	// Bound is min, max or maxLimitRequestRatio.
	Bound string
	// Value is the request or the limit that violates the bound, or their ratio.
	Value string
}

var (
	notBetween = regexp.MustCompile(`(minimum|maximum) (\S+) usage per (\w+) is [^ ,]+?(?:\.  No|, but) (request|limit) is`)
	notInRatio = regexp.MustCompile(`(\S+) max limit to request ratio per (\w+) is [^ ,]+, but (?:no |provided )(request|limit|ratio)`)
)

// RefusedIn parses LimitRanger's message, which has one error, or all those of a LimitRange in a row.
func RefusedIn(words string) []Refused {
	var found []Refused
	for _, match := range notBetween.FindAllStringSubmatch(words, -1) {
		found = append(found, Refused{Type: match[3], Resource: match[2], Bound: match[1][:3], Value: match[4]})
	}
	for _, match := range notInRatio.FindAllStringSubmatch(words, -1) {
		resource := strings.TrimLeft(match[1], "[")
		found = append(found, Refused{Type: match[2], Resource: resource, Bound: "maxLimitRequestRatio", Value: match[3]})
	}
	return found
}

// RefusedBy converts a predicted refusal of a Pod.
func RefusedBy(r decision.Refusal) Refused {
	found := Refused{Type: "Container", Resource: r.Resource, Bound: r.Bound, Value: "ratio"}
	message := r.Message
	if r.Container == "" {
		found.Type = "Pod"
		message = strings.TrimPrefix(message, "the Pod's ")
	}
	if r.Bound != "maxLimitRequestRatio" || strings.Contains(message, "not set or is 0") {
		found.Value, _, _ = strings.Cut(strings.TrimPrefix(message, r.Resource+" "), " ")
	}
	return found
}

// RefusedClaim converts a predicted refusal of a PersistentVolumeClaim.
func RefusedClaim(r decision.Refusal) Refused {
	return Refused{Type: "PersistentVolumeClaim", Resource: r.Resource, Bound: r.Bound, Value: "request"}
}

// SameBound reports whether both are about the same bound, regardless of the value.
func (r Refused) SameBound(o Refused) bool {
	return r.Type == o.Type && r.Resource == o.Resource && r.Bound == o.Bound
}

// SortRefused sorts both sides of a comparison alike.
func SortRefused(all []Refused) {
	slices.SortFunc(all, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Bound, b.Bound), cmp.Compare(a.Value, b.Value))
	})
}
