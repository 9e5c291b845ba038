package rego

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
)

// workloadDocument is input.workload: see workloadInput.
type workloadDocument struct {
	workload                                                                 *decision.Workload
	path, specPath, pods, pod, refusals, shortages, autoscaler, podResources any
}

func newWorkloadDocument(w *decision.Workload) *workloadDocument {
	return &workloadDocument{workload: w, pod: w.Pod}
}

// Get implements compile.Document.
func (d *workloadDocument) Get(name string) any {
	w := d.workload
	switch name {
	case "longRunning":
		return w.LongRunning
	case "template":
		return w.Template
	case "replicas":
		return w.Replicas
	case "path":
		return lazyText(&d.path, w.PodPath)
	case "specPath":
		return lazyText(&d.specPath, strings.TrimPrefix(w.PodPath+".spec", "."))
	case "pods":
		if d.pods == nil {
			d.pods = podsInput(w.Count)
		}
		return d.pods
	case "pod":
		return d.pod
	case "refusals":
		if d.refusals == nil {
			d.refusals = refusalsInput(w.Refusals)
		}
		return d.refusals
	case "shortages":
		if d.shortages == nil {
			d.shortages = shortagesInput(w.Shortages)
		}
		return d.shortages
	case "autoscaler":
		if d.autoscaler == nil && w.Autoscaler != nil {
			d.autoscaler = autoscalerInput(w.Autoscaler)
		}
		return d.autoscaler
	case "resources":
		if d.podResources == nil && w.PodResources != nil {
			d.podResources = newResourcesDocument(w.PodResources)
		}
		return d.podResources
	}
	return nil
}

var workloadMembers = []string{
	"autoscaler", "longRunning", "path", "pod", "pods", "refusals", "replicas", "resources", "shortages", "specPath", "template",
}

// Names implements compile.Document.
func (d *workloadDocument) Names() []string { return existing(d, workloadMembers) }

// containerDocument is a member of input.containers: see containersInput.
type containerDocument struct {
	container                              *decision.Container
	name, kind, path, pointer, spec, image any
	resources                              resourcesDocument
	expanded                               any
	isExpanded                             bool
}

// newContainerDocuments returns input.containers: an object keyed by path.
func newContainerDocuments(w *decision.Workload) any {
	if w == nil || len(w.Containers) == 0 {
		return map[string]any{}
	}
	documents := make([]containerDocument, len(w.Containers))
	order := make([]*containerDocument, len(documents))
	for i := range documents {
		c := &w.Containers[i]
		documents[i] = containerDocument{container: c, path: c.Path, spec: c.Spec, resources: resourcesDocument{from: &c.Effective}}
		order[i] = &documents[i]
	}
	slices.SortFunc(order, func(a, b *containerDocument) int { return strings.Compare(a.container.Path, b.container.Path) })
	keys, values := make([]any, len(order)), make([]any, len(order))
	for i, d := range order {
		keys[i], values[i] = d.path, d
	}
	return compile.NewObject(keys, values)
}

// Get implements compile.Document.
func (d *containerDocument) Get(name string) any {
	c := d.container
	switch name {
	case "name":
		return lazyText(&d.name, c.Name)
	case "type":
		return lazyText(&d.kind, string(c.Type))
	case "path":
		return d.path
	case "pointer":
		if d.pointer == nil {
			d.pointer = string(c.Pointer())
		}
		return d.pointer
	case "spec":
		return d.spec
	case "image":
		if d.image == nil {
			d.image = &imageDocument{image: &c.Image}
		}
		return d.image
	case "resources":
		return &d.resources
	case "expanded":
		if !d.isExpanded {
			d.isExpanded = true
			if expanded := expandedInput(c.Spec); expanded != nil {
				d.expanded = expanded
			}
		}
		return d.expanded
	}
	return nil
}

var containerMembers = []string{"expanded", "image", "name", "path", "pointer", "resources", "spec", "type"}

// Names implements compile.Document.
func (d *containerDocument) Names() []string { return existing(d, containerMembers) }

// imageDocument is the image of a container.
type imageDocument struct {
	image                                        *decision.Image
	reference, registry, repository, tag, digest any
}

// Get implements compile.Document.
func (d *imageDocument) Get(name string) any {
	switch name {
	case "reference":
		return lazyText(&d.reference, d.image.Reference)
	case "valid":
		return d.image.Valid
	case "registry":
		return lazyText(&d.registry, d.image.Registry)
	case "repository":
		return lazyText(&d.repository, d.image.Repository)
	case "tag":
		return lazyText(&d.tag, d.image.Tag)
	case "digest":
		return lazyText(&d.digest, d.image.Digest)
	}
	return nil
}

// Names implements compile.Document.
func (*imageDocument) Names() []string {
	return []string{"digest", "reference", "registry", "repository", "tag", "valid"}
}

// resourcesDocument is the resources of a container or a Pod: see resourcesInput.
type resourcesDocument struct {
	from             *corev1.ResourceRequirements
	requests, limits amountsDocument
}

func newResourcesDocument(from *corev1.ResourceRequirements) *resourcesDocument {
	return &resourcesDocument{from: from}
}

// Get implements compile.Document.
func (d *resourcesDocument) Get(name string) any {
	switch name {
	case "requests":
		d.requests.list = d.from.Requests
		return &d.requests
	case "limits":
		d.limits.list = d.from.Limits
		return &d.limits
	}
	return nil
}

// Names implements compile.Document.
func (*resourcesDocument) Names() []string { return []string{"limits", "requests"} }

// amountsDocument is a list of resources: see amounts.
type amountsDocument struct {
	list        corev1.ResourceList
	cpu, memory any
}

// Get implements compile.Document.
func (d *amountsDocument) Get(name string) any {
	known := (*any)(nil)
	switch corev1.ResourceName(name) {
	case corev1.ResourceCPU:
		known = &d.cpu
	case corev1.ResourceMemory:
		known = &d.memory
	}
	if known != nil && *known != nil {
		return *known
	}
	quantity, ok := d.list[corev1.ResourceName(name)]
	if !ok {
		return nil
	}
	var value any = amount(corev1.ResourceName(name), &quantity)
	if known != nil {
		*known = value
	}
	return value
}

// Names implements compile.Document.
func (d *amountsDocument) Names() []string {
	all := make([]string, 0, len(d.list))
	for name := range d.list {
		all = append(all, string(name))
	}
	slices.Sort(all)
	return all
}
