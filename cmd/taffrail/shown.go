package main

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"taffrail.dev/cmd/taffrail/manifest"
	"taffrail.dev/webhook/review"
)

// shown is the content of a file as a diff may quote it: without the values of Secrets, and
// without credentials elsewhere. It has as many lines as before.
func shown(file manifest.File, data []byte) string {
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
			key, value := member(node, name)
			mask(lines, before, key, value)
		}
		if _, metadata := member(node, "metadata"); metadata != nil {
			key, value := member(metadata, "annotations")
			mask(lines, before, key, value)
		}
	}
	return review.Redact(strings.Join(lines, ""))
}

func member(object *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(object.Content); i += 2 {
		if object.Content[i].Value == name {
			return object.Content[i], object.Content[i+1]
		}
	}
	return nil, nil
}

// mask replaces a value: what follows it on its first line, and the lines below that are
// indented further than its key.
func mask(lines []string, before int, key, value *yaml.Node) {
	if key == nil {
		return
	}
	at := before + key.Line - 1
	if from := value.Column - 1; value.Line == key.Line && at < len(lines) && from <= len(lines[at]) {
		lines[at] = lines[at][:from] + review.Redacted + lineEnd(lines[at])
	}
	for at++; at < len(lines); at++ {
		text := strings.TrimLeft(lines[at], " ")
		if indent := len(lines[at]) - len(text); strings.TrimSpace(text) != "" {
			// An element of a list may stand no further right than its key.
			if indent < key.Column && !strings.HasPrefix(text, "-") || strings.HasPrefix(lines[at], "---") {
				return
			}
			lines[at] = strings.Repeat(" ", indent) + review.Redacted + lineEnd(text)
		}
	}
}

func lineEnd(line string) string { return line[len(strings.TrimRight(line, "\r\n")):] }
