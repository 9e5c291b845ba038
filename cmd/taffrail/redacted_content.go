package main

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// redactedContent returns the content of a file with the values of Secrets masked, and with
// credentials elsewhere redacted. The number of lines does not change.
func redactedContent(file manifest.File, data []byte) string {
	lines := strings.SplitAfter(string(data), "\n")
	file.Data = data
	for _, item := range file.Items() {
		if item.Err != nil || item.Object["kind"] != "Secret" {
			continue
		}
		node, before, err := item.Node()
		if err != nil {
			continue
		}
		for _, name := range []string{"data", "stringData"} {
			maskMembers(lines, before, node, name)
		}
		for _, metadata := range members(node, "metadata") {
			maskMembers(lines, before, metadata[1], "annotations")
		}
	}
	return decision.Redact(strings.Join(lines, ""))
}

// members returns the key and value of each member with a name. A manifest may contain it twice.
func members(object *yaml.Node, name string) (all [][2]*yaml.Node) {
	for i := 0; i+1 < len(object.Content); i += 2 {
		if object.Content[i].Value == name {
			all = append(all, [2]*yaml.Node{object.Content[i], object.Content[i+1]})
		}
	}
	return all
}

func maskMembers(lines []string, before int, object *yaml.Node, name string) {
	for _, member := range members(object, name) {
		mask(lines, before, member[0], member[1])
	}
}

// mask replaces a value: the rest of its first line, and the lines below that are indented
// further than its key.
func mask(lines []string, before int, key, value *yaml.Node) {
	at := before + key.Line - 1
	if from := value.Column - 1; value.Line == key.Line && at < len(lines) && from <= len(lines[at]) {
		lines[at] = lines[at][:from] + decision.Redacted + lineEnd(lines[at])
	}
	for at++; at < len(lines); at++ {
		text := strings.TrimLeft(lines[at], " ")
		if indent := len(lines[at]) - len(text); strings.TrimSpace(text) != "" {
			// An element of a list may be indented no further than its key.
			if indent < key.Column && !strings.HasPrefix(text, "-") || strings.HasPrefix(lines[at], "---") {
				return
			}
			lines[at] = strings.Repeat(" ", indent) + decision.Redacted + lineEnd(text)
		}
	}
}

func lineEnd(line string) string { return line[len(strings.TrimRight(line, "\r\n")):] }
