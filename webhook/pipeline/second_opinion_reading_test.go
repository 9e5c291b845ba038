package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// podReading is what an oracle reads from an object.
type podReading struct {
	longRunning bool
	// bare reports whether the object is a Pod: the API server copies a Pod's limits to missing requests.
	bare       bool
	path       string
	spec       map[string]any
	containers []containerReading
}

type containerReading struct {
	name, path, kind string
	spec             map[string]any
}

func podKinds() []string {
	return []string{"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"}
}

// readPod returns nil if an API server could not decode the fields that the policies read. Other malformed
// fields count as missing.
func readPod(object map[string]any) *podReading {
	kind, _ := object["kind"].(string)
	steps := []string{"spec", "template", "spec"}
	switch kind {
	case "Pod":
		steps = []string{"spec"}
	case "CronJob":
		steps = []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	spec := object
	for _, step := range steps {
		if spec[step] == nil {
			return &podReading{longRunning: kind != "Job" && kind != "CronJob"}
		}
		next, ok := spec[step].(map[string]any)
		if !ok {
			return nil
		}
		spec = next
	}
	pod := &podReading{spec: spec, bare: kind == "Pod", path: strings.Join(steps, "."), longRunning: kind != "Job" && kind != "CronJob"}
	if !quantitiesDecode(spec) {
		return nil
	}
	for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
		if spec[list] == nil {
			continue
		}
		items, ok := spec[list].([]any)
		if !ok {
			return nil
		}
		for i, item := range items {
			container, ok := item.(map[string]any)
			if !ok {
				return nil
			}
			c := containerReading{path: fmt.Sprintf("%s.%s[%d]", strings.Join(steps, "."), list, i), spec: container}
			c.name, _ = container["name"].(string)
			switch {
			case list == "containers":
				c.kind = "app"
			case list == "ephemeralContainers":
				c.kind = "ephemeral"
			case container["restartPolicy"] == "Always":
				c.kind = "sidecar"
			default:
				c.kind = "init"
			}
			if c.kind != "ephemeral" && !quantitiesDecode(container) {
				return nil
			}
			pod.containers = append(pod.containers, c)
		}
	}
	policy, said := pod.spec["restartPolicy"].(string)
	if kind == "Pod" {
		// The default policy is Always.
		pod.longRunning = !said || policy == "" || policy == "Always"
	}
	// The only app container may set a restart policy that restarts it anyway, even in a Job.
	pod.longRunning = pod.longRunning || slices.ContainsFunc(pod.containers, func(c containerReading) bool {
		return c.kind == "app" && c.spec["restartPolicy"] == "Always"
	})
	return pod
}

// amount returns the text of a quantity in the resources of a container or Pod, or nil.
func amount(owner map[string]any, list, resource string) any {
	resources, _ := owner["resources"].(map[string]any)
	values, _ := resources[list].(map[string]any)
	if values[resource] == nil {
		return nil
	}
	return fmt.Sprint(values[resource])
}

// tooFewBytes returns the fields of owner with more than nothing but less than 1 KiB, in bytes or fractions of
// one.
func tooFewBytes(owner map[string]any, limitsStandIn bool) (fields []string) {
	for _, resource := range []string{"memory", "ephemeral-storage"} {
		limit, request := amount(owner, "limits", resource), amount(owner, "requests", resource)
		if request == nil && limitsStandIn {
			request = limit
		}
		for list, text := range map[string]any{"limits": limit, "requests": request} {
			if isTooFewBytes(text) {
				fields = append(fields, "resources."+list+"."+resource)
			}
		}
	}
	return fields
}

func isTooFewBytes(text any) bool {
	words := byteWords.FindStringSubmatch(fmt.Sprint(text))
	if words == nil {
		return false
	}
	number, err := strconv.ParseFloat(words[1], 64)
	size := number / map[string]float64{"": 1, "m": 1e3, "u": 1e6, "n": 1e9}[words[2]]
	return err == nil && 0 < size && size < 1024
}

var byteWords = regexp.MustCompile(`^\+?(\d{0,12}\.?\d{0,12})([mun]?)\z`)

func quantitiesDecode(owner map[string]any) bool {
	resources, _ := owner["resources"].(map[string]any)
	for _, list := range []string{"requests", "limits"} {
		values, _ := resources[list].(map[string]any)
		for name := range values {
			if text := amount(owner, list, name); text == "" || text != nil && !quantityWords.MatchString(text.(string)) {
				return false
			}
		}
	}
	return true
}

// Kubernetes parses a quantity without digits as 0. Exponents of four digits are excluded because arithmetic
// would write them out.
var quantityWords = regexp.MustCompile(`^[+-]?[0-9]*\.?[0-9]*([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,3})?\z`)

// some reports whether a quantity is greater than zero: no minus sign, and a nonzero digit.
func some(text any) bool {
	quantity, ok := text.(string)
	number, _, _ := strings.Cut(strings.ToLower(quantity), "e")
	return ok && !strings.HasPrefix(quantity, "-") && strings.ContainsAny(number, "123456789")
}
