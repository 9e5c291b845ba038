package sandbox

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// Policies may call these functions and no others, and OPA allows the same.
func TestWhatPoliciesMayCall(t *testing.T) {
	want := strings.Fields(`
		abs and array.concat array.flatten array.reverse array.slice assign base64.decode base64.encode base64.is_valid base64url.decode ceil concat contains count
		crypto.sha256 div endswith eq equal floor format_int glob.match glob.quote_meta gt gte hex.decode hex.encode indexof indexof_n internal.member_2 internal.member_3
		internal.print internal.template_string intersection is_array is_boolean is_null is_number is_object is_set is_string json.filter json.is_valid json.marshal
		json.remove json.unmarshal lower lt lte max min minus mul neq numbers.range object.filter object.get object.keys object.remove object.subset object.union
		object.union_n or plus print product regex.find_all_string_submatch_n regex.find_n regex.is_valid regex.match regex.replace regex.split rem replace round
		semver.compare semver.is_valid set_diff sort split sprintf startswith strings.any_prefix_match strings.any_suffix_match strings.count strings.replace_n
		strings.reverse substring sum time.parse_duration_ns to_number trim trim_left trim_prefix trim_right trim_space trim_suffix type_name union upper
		urlquery.decode yaml.is_valid yaml.unmarshal`)
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(allowedBuiltins())); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	caps := Capabilities()
	var builtins []string
	for _, builtin := range caps.Builtins {
		builtins = append(builtins, builtin.Name)
	}
	slices.Sort(builtins)
	if !slices.Equal(builtins, want) || caps.AllowNet == nil || len(caps.AllowNet) > 0 {
		t.Errorf("OPA allows %q, and the hosts %q", builtins, caps.AllowNet)
	}
}
