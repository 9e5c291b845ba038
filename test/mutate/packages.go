package main

import (
	"fmt"
	"slices"
	"strings"
)

// group is a package, with the packages whose tests also cover it, those that notice most in the least time
// first.
type group struct {
	folder string
	tests  []string
}

// groups returns the packages that contribute to a verdict.
func groups() []group {
	return []group{
		{"webhook/request", []string{"webhook/resources", "webhook/admission", "webhook/pipeline"}},
		{"webhook/resources", []string{"webhook/pipeline"}},
		{"webhook/pipeline", []string{"webhook/admission", "webhook/audit"}},
		{"webhook/rego", []string{"webhook/rego/regotest", "webhook/config", "webhook/pipeline"}},
		{"webhook/rego/sandbox", []string{"webhook/rego"}},
		{"webhook/configcheck", nil},
		{"webhook/decision", []string{"webhook/pipeline", "webhook/admission"}},
		{"webhook/credentials", []string{"webhook/rego"}},
		{"webhook/config", []string{"webhook/admission", "webhook/pipeline"}},
		{"webhook/admission", []string{"webhook/metrics", "webhook/server"}},
	}
}

// chosen returns the groups of the named packages, or all groups if none are named.
func chosen(names string) ([]group, error) {
	all := groups()
	if names == "" {
		return all, nil
	}
	var some []group
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(all, func(g group) bool { return g.folder == "webhook/"+name || g.folder == name })
		if at < 0 {
			return nil, fmt.Errorf("no package %q: name some of those that make up a verdict, such as request,pipeline", name)
		}
		some = append(some, all[at])
	}
	return some, nil
}
