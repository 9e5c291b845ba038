package credentials

import (
	"slices"
	"testing"
)

func TestMentions(t *testing.T) {
	visit := func(limit, skip int) (all []int) {
		for m := mentionsOf("aa-aaa-a", "a", limit); m.next(); {
			all = append(all, m.at)
			m.skip(skip)
		}
		return all
	}
	for name, c := range map[string]struct {
		limit, skip int
		want        []int
	}{
		"all":              {9, 0, []int{0, 1, 3, 4, 5, 7}},
		"as many as":       {2, 0, []int{0, 1}},
		"none":             {0, 0, nil},
		"from 4":           {9, 4, []int{0, 4, 5, 7}},
		"none behind":      {9, 8, []int{0}},
		"skipped are free": {2, 4, []int{0, 4}},
	} {
		if got := visit(c.limit, c.skip); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if m := mentionsOf("aaaa", "aa", 9); !m.next() || !m.next() || m.at != 2 || m.next() {
		t.Errorf("places overlap: got %+v", m)
	}
}
