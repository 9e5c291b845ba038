package replay

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"taffrail.dev/webhook/replay/auditlog"
)

// Coverage is what a log has of the objects that matter.
type Coverage struct {
	// Resources is sorted: those of objects that are decided first, then facts.
	Resources []ResourceCoverage `json:"resources"`
	// OtherWrites counts the writes of resources that matter for no decision.
	OtherWrites int64 `json:"otherWrites"`

	byName map[string]*ResourceCoverage
}

// Detail is what a log says about a resource.
type Detail string

// The Details.
const (
	// DetailObjects means that the log has the objects, so that writes are decided.
	DetailObjects Detail = "objects"
	// DetailRequests means that the log has what clients have sent. Creations and updates are decided without what
	// admission plugins add, and patches only if the object is known and the result is unambiguous.
	DetailRequests Detail = "requests"
	// DetailNames means that the log has no objects. Nothing can be decided.
	DetailNames Detail = "names"
)

// ResourceCoverage counts the writes of a resource.
type ResourceCoverage struct {
	// Resource is as in deployments.apps, or pods/status.
	Resource string `json:"resource"`
	// Fact is true if the writes are not decided, but matter for the decisions about others.
	Fact bool `json:"fact"`
	// Covered is true if a policy covers the kind.
	Covered         bool  `json:"covered"`
	Writes          int64 `json:"writes"`
	Metadata        int64 `json:"metadata"`
	Request         int64 `json:"request"`
	RequestResponse int64 `json:"requestResponse"`
	// Truncated counts the writes whose objects were cut off.
	Truncated int64     `json:"truncated"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
}

// Detail returns what every write has at least.
func (c *ResourceCoverage) Detail() Detail {
	switch {
	case c.Metadata > 0:
		return DetailNames
	case c.Request > 0:
		return DetailRequests
	}
	return DetailObjects
}

// Mixed reports whether some writes have more than others.
func (c *ResourceCoverage) Mixed() bool {
	return c.Writes > max(c.Metadata, c.Request, c.RequestResponse)
}

// maxResources limits the memory for resources, whose names a hostile log may make up.
const maxResources = 500

// Add counts a write. covered is true if a policy covers its kind.
func (c *Coverage) Add(e *auditlog.Event, covered bool) {
	r := resourceOf(&e.Object)
	fact, _ := factOf(r)
	_, decided := rules[r]
	custom := strings.Contains(r.group, ".") && !strings.HasSuffix(r.group, ".k8s.io")
	aspect := aspectOf(e)
	if dry, _ := isDryRun(e); fact == "" && !decided && !custom && !covered || aspect == ignored || aspect == evicts || dry {
		c.OtherWrites++
		return
	}
	name := r.String()
	if e.Object.Subresource != "" {
		name += "/" + e.Object.Subresource
	}
	if c.byName == nil {
		c.byName = map[string]*ResourceCoverage{}
	}
	of := c.byName[name]
	if of == nil {
		if len(c.byName) >= maxResources {
			c.OtherWrites++
			return
		}
		of = &ResourceCoverage{Resource: name, Fact: fact != "" && !decided || aspect == scales, First: e.Completed}
		c.byName[name] = of
	}
	of.Writes++
	of.Covered = of.Covered || covered
	switch e.Level {
	case auditlog.LevelRequestResponse:
		of.RequestResponse++
	case auditlog.LevelRequest:
		of.Request++
	case auditlog.LevelMetadata:
		of.Metadata++
	}
	if e.Truncated {
		of.Truncated++
	}
	of.First, of.Last = earlier(of.First, e.Completed), later(of.Last, e.Completed)
}

// finish sets Resources.
func (c *Coverage) finish() {
	c.Resources = make([]ResourceCoverage, 0, len(c.byName))
	for _, of := range c.byName {
		c.Resources = append(c.Resources, *of)
	}
	slices.SortFunc(c.Resources, func(a, b ResourceCoverage) int {
		rank := func(c ResourceCoverage) int {
			if c.Fact {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Resource, b.Resource))
	})
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
