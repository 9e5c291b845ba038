package main

import (
	"strings"
	"testing"
)

func TestTableHasEveryValueAndItsComment(t *testing.T) {
	table, err := Table([]byte(`# About the file.

# How many
# Pods.
replicas: 3

# What is mounted | where.
mount:
  # The path.
  path: "/etc"
plain:
  # Whether.
  enabled: false
# Free.
labels: {a: b}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := "| value | default | |\n|---|---|---|\n" +
		"| `replicas` | `3` | How many Pods. |\n" +
		"| `mount` |  | What is mounted \\| where. |\n" +
		"| `mount.path` | `\"/etc\"` | The path. |\n" +
		"| `plain.enabled` | `false` | Whether. |\n" +
		"| `labels` | `{\"a\":\"b\"}` | Free. |\n"
	if table != want {
		t.Errorf("got\n%s\nwant\n%s", table, want)
	}
}

func TestValueWithoutACommentIsAnError(t *testing.T) {
	_, err := Table([]byte("# One.\none: 1\nserver:\n  # Two.\n  two: 2\n  three: 3\n"))
	if err == nil || !strings.Contains(err.Error(), "values.yaml:6: server.three has no comment") {
		t.Error(err)
	}
}
