package rego

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/credentials"
	"taffrail.dev/webhook/decision"
)

// credentialsInput returns the scanner's findings for the policies about credentials, or nil for kinds that
// those policies do not cover. It never contains a value. The result is incomplete if ctx has ended.
func credentialsInput(ctx context.Context, r *decision.Request) map[string]any {
	switch p := newTextCollector(ctx); {
	case p.scan(r):
		found := map[string]any{"found": p.found, "plain": p.plain}
		if r.Workload != nil {
			found["fromConfigMap"] = p.fromConfigMap
		}
		return found
	case r.Kind.GroupKind() == schema.GroupKind{Kind: "Secret"}:
		return publicInput(r)
	}
	return nil
}

// textCollector collects the texts of an object that may hold credentials, by path.
type textCollector struct {
	// found has the texts that contain a credential. plain has those that are literals: a policy's parameter
	// may declare that their names mark credentials. What is nil is not looked for.
	found, plain map[string]any
	// fromConfigMap has the env entries whose value comes from a ConfigMap.
	fromConfigMap map[string]any
	// taken is how many credentials are in found, and rest those that are not: see maxMatches.
	taken int
	rest  restMatches
	// stopped reports whether the request has ended. Scanning a large object may take seconds.
	stopped func() bool
}

func newTextCollector(ctx context.Context) *textCollector {
	return &textCollector{stopped: func() bool { return ctx.Err() != nil }, found: map[string]any{}, plain: map[string]any{}, fromConfigMap: map[string]any{}}
}

// scan looks at all texts of an object, and reports whether its kind is one that the scanner covers.
func (p *textCollector) scan(r *decision.Request) bool {
	switch {
	case r.Workload != nil:
		p.workload(r)
	case r.Kind.GroupKind() == schema.GroupKind{Kind: "ConfigMap"}:
		p.configMap(r.Object)
	default:
		return false
	}
	p.addRest()
	return true
}

func (p *textCollector) put(at place, matches []credentials.Match) {
	if most := maxMatches - p.taken; len(matches) > most {
		p.rest.add(&at, matches[most:])
		matches = matches[:most]
	}
	if len(matches) == 0 {
		return
	}
	p.taken += len(matches)
	holds := make([]any, 0, len(matches))
	for _, m := range matches {
		if m.Named {
			m.Name = "" // added once, for the place as a whole
		}
		holds = append(holds, map[string]any{"name": m.Name, "what": m.What, "named": m.Named, "likely": m.Likely, "detector": m.Detector, "line": m.Line})
	}
	path := at.path.String()
	if before, ok := p.found[path].(map[string]any); ok {
		before["holds"] = append(before["holds"].([]any), holds...)
		return
	}
	found := at.input()
	found["holds"] = holds
	p.found[path] = found
}

func (p *textCollector) value(at place, value string) {
	if p.stopped() {
		return
	}
	if p.plain != nil && credentials.Plain(at.name, value) {
		p.plain[at.path.String()] = at.input()
	}
	if p.found != nil {
		p.put(at, credentials.Value(at.name, value))
	}
}

func (p *textCollector) workload(r *decision.Request) {
	for i := range r.Workload.Containers {
		if p.stopped() {
			return
		}
		p.container(&r.Workload.Containers[i])
	}
	specPath := "spec"
	if r.Workload.PodPath != "" {
		specPath = r.Workload.PodPath + ".spec"
		metadata, _ := r.Workload.Pod["metadata"].(map[string]any)
		p.annotations(r.Workload.PodPath+".metadata.annotations", metadata)
	}
	spec, _ := r.Workload.Pod["spec"].(map[string]any)
	volumes, _ := spec["volumes"].([]any)
	for i, element := range volumes {
		volume, _ := element.(map[string]any)
		for _, source := range [][2]string{{"csi", "volumeAttributes"}, {"flexVolume", "options"}} {
			driver, _ := volume[source[0]].(map[string]any)
			options, _ := driver[source[1]].(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(options)) {
				text, _ := options[name].(string)
				path := placePath{base: specPath, field: ".volumes", index: i, below: "." + source[0] + "." + source[1] + "[" + name + "]"}
				p.value(place{path: path, textKind: "text", name: name}, text)
			}
		}
	}
	metadata, _ := r.Object["metadata"].(map[string]any)
	p.annotations("metadata.annotations", metadata)
}

func (p *textCollector) container(c *decision.Container) {
	expanded := expandedInput(c.Spec)
	resolved := func(list string, i int, value any) string {
		texts, _ := expanded[list].(map[string]any)
		if text, ok := texts[strconv.Itoa(i)].(string); ok {
			return text
		}
		return jsonText(value)
	}
	env, _ := c.Spec["env"].([]any)
	for i, element := range env {
		entry, _ := element.(map[string]any)
		p.source(c, i, entry)
		value, set := entry["value"]
		if !set {
			continue
		}
		name := ""
		if given, ok := entry["name"]; ok {
			name = jsonText(given)
		}
		path := placePath{base: c.Path, field: ".env", index: i, below: ".value"}
		p.value(place{path: path, container: c.Name, textKind: "env", name: name}, resolved("env", i, value))
	}
	command, _ := c.Spec["command"].([]any)
	args, _ := c.Spec["args"].([]any)
	line := commandLine{container: c.Name, words: make([]string, 0, len(command)+len(args))}
	for i, element := range command {
		line.words = append(line.words, resolved("command", i, element))
	}
	for i, element := range args {
		line.words = append(line.words, resolved("args", i, element))
	}
	p.words(line, func(i int) (placePath, string) {
		if i < len(command) {
			return placePath{base: c.Path, field: ".command", index: i}, "command"
		}
		return placePath{base: c.Path, field: ".args", index: i - len(command)}, "args"
	})
	for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
		p.handler(c, probe, c.Spec[probe])
	}
	lifecycle, _ := c.Spec["lifecycle"].(map[string]any)
	for _, hook := range []string{"postStart", "preStop"} {
		p.handler(c, "lifecycle."+hook, lifecycle[hook])
	}
}

// source records an env entry that comes from a ConfigMap.
func (p *textCollector) source(c *decision.Container, i int, entry map[string]any) {
	from, _ := entry["valueFrom"].(map[string]any)
	reference, _ := from["configMapKeyRef"].(map[string]any)
	key, isKey := reference["key"].(string)
	name, isName := entry["name"].(string)
	if isKey && isName {
		p.fromConfigMap[fmt.Sprintf("%s.env[%d].valueFrom.configMapKeyRef", c.Path, i)] = map[string]any{
			"container": c.Name, "name": name, "key": key,
			"nameIsCredential": credentials.Named(name), "keyIsCredential": credentials.Named(key),
		}
	}
}

// handler scans the command or the HTTP request of a probe or hook. The kubelet does not expand $(VAR) in either.
func (p *textCollector) handler(c *decision.Container, field string, value any) {
	handler, _ := value.(map[string]any)
	if len(handler) == 0 {
		return
	}
	path := c.Path + "." + field
	exec, _ := handler["exec"].(map[string]any)
	command, _ := exec["command"].([]any)
	line := commandLine{container: c.Name, words: make([]string, 0, len(command))}
	for _, element := range command {
		line.words = append(line.words, jsonText(element))
	}
	p.words(line, func(i int) (placePath, string) { return placePath{base: path, field: ".exec.command", index: i}, field })
	get, _ := handler["httpGet"].(map[string]any)
	for _, name := range []string{"path", "host"} {
		text, _ := get[name].(string)
		at := place{path: placePath{base: path, field: ".httpGet.", index: -1, below: name}, container: c.Name, textKind: "text", field: field}
		if p.found != nil {
			p.put(at, credentials.Text("", text))
		}
	}
	headers, _ := get["httpHeaders"].([]any)
	for i, element := range headers {
		header, _ := element.(map[string]any)
		name, _ := header["name"].(string)
		text, _ := header["value"].(string)
		at := placePath{base: path, field: ".httpGet.httpHeaders", index: i, below: ".value"}
		p.value(place{path: at, container: c.Name, textKind: "header", name: name, field: field}, text)
	}
}

// commandLine is the words that a container runs.
type commandLine struct {
	container string
	words     []string
}

// words scans a command line. at returns where a word is, and how messages refer to that.
func (p *textCollector) words(line commandLine, at func(int) (placePath, string)) {
	for i := 1; i < len(line.words) && p.plain != nil; i++ {
		if flag, ok := credentials.Follows(line.words[i-1], line.words[i]); ok {
			path, field := at(i)
			word := place{path: path, container: line.container, textKind: "word", name: flag, field: field}
			p.plain[path.String()] = word.input()
		}
	}
	if p.found == nil {
		return
	}
	for _, word := range credentials.Words(line.words, p.stopped) {
		path, field := at(word.Index)
		p.put(place{path: path, container: line.container, textKind: "word", field: field}, []credentials.Match{word.Match})
	}
}

// annotations scans annotations, which may carry a whole object. kubectl's last-applied copy repeats the
// object, so it is scanned only if the object itself has no finding.
func (p *textCollector) annotations(path string, metadata map[string]any) {
	if p.found == nil {
		return
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		if name != corev1.LastAppliedConfigAnnotation {
			p.annotation(path, name, annotations[name])
		}
	}
	if applied, ok := annotations[corev1.LastAppliedConfigAnnotation]; ok && len(p.found) == 0 {
		p.annotation(path, corev1.LastAppliedConfigAnnotation, applied)
	}
}

func (p *textCollector) annotation(path, name string, value any) {
	if p.stopped() {
		return
	}
	text, _ := value.(string)
	at := place{path: placePath{base: path, index: -1, member: name}, textKind: "text", name: name}
	p.put(at, credentials.Annotation(name, text))
}

func (p *textCollector) configMap(object map[string]any) {
	for _, field := range []string{"data", "binaryData"} {
		texts, _ := object[field].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(texts)) {
			value := texts[key]
			text := jsonText(value)
			if value == nil {
				text = ""
			}
			if field == "binaryData" {
				if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
					text = string(decoded)
				}
			}
			p.file(place{path: placePath{base: field, index: -1, member: key}, textKind: "text", name: key}, text)
		}
	}
	metadata, _ := object["metadata"].(map[string]any)
	p.annotations("metadata.annotations", metadata)
}

// file scans a value of a ConfigMap. A value of several lines is scanned as a file, whatever its key.
func (p *textCollector) file(at place, text string) {
	if p.stopped() {
		return
	}
	if !credentials.IsFile(text) {
		p.value(at, text)
		return
	}
	if p.found != nil {
		p.put(at, credentials.Text(at.name, text))
	}
}

// jsonText returns a value as text. The API server rejects values that are not strings, but manifests may
// contain them.
func jsonText(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}
