// Command readme writes the table of values into the chart's README, from the comments of
// its values.yaml.
//
//	go run ./test/chart/readme          prints the README as it should be
//	go run ./test/chart/readme -w       writes it
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	folder = "charts/taffrail/"
	// begin and end enclose what is written.
	begin = "<!-- values: from the comments of values.yaml, by make generate -->\n"
	end   = "<!-- end of values -->\n"
	// widest is the length of the longest default that the table shows.
	widest = 80
)

func main() {
	write := flag.Bool("w", false, "write the README")
	flag.Parse()
	if err := run(*write); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(write bool) error {
	values, err := os.ReadFile(folder + "values.yaml")
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(folder + "README.md")
	if err != nil {
		return err
	}
	table, err := Table(values)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(readme, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("%sREADME.md has no place for the values: it wants the lines\n%s%s", folder, begin, end)
	}
	made := fmt.Appendf(nil, "%s%s\n%s\n%s%s", before, begin, table, end, after)
	if write {
		return os.WriteFile(folder+"README.md", made, 0o644)
	}
	_, err = os.Stdout.Write(made)
	return err
}

// Table returns a row for every value: its path, its default and its comment. A value without a comment is an
// error.
func Table(values []byte) (string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		return "", err
	}
	rows, err := rowsOf("", document.Content[0])
	if err != nil {
		return "", err
	}
	return "| value | default | |\n|---|---|---|\n" + strings.Join(rows, ""), nil
}

func rowsOf(prefix string, mapping *yaml.Node) (rows []string, err error) {
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		path := prefix + key.Value
		comment := sentence(key.HeadComment)
		if !documented(value) {
			if comment == "" {
				return nil, fmt.Errorf("values.yaml:%d: %s has no comment, which is its documentation", key.Line, path)
			}
			shown, err := show(value)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row(path, shown, comment))
			continue
		}
		if comment != "" {
			rows = append(rows, row(path, "", comment))
		}
		below, err := rowsOf(path+".", value)
		if err != nil {
			return nil, err
		}
		rows = append(rows, below...)
	}
	return rows, nil
}

// documented reports whether the values below one have comments of their own.
func documented(value *yaml.Node) bool {
	if value.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i < len(value.Content); i += 2 {
		if value.Content[i].HeadComment != "" || documented(value.Content[i+1]) {
			return true
		}
	}
	return false
}

// sentence returns the last paragraph of a comment: an earlier one is about the following values as a whole.
func sentence(comment string) string {
	paragraphs := strings.Split(comment, "\n\n")
	lines := strings.Split(paragraphs[len(paragraphs)-1], "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(strings.TrimPrefix(lines[i], "#"))
	}
	return strings.Join(lines, " ")
}

func show(value *yaml.Node) (string, error) {
	var decoded any
	if err := value.Decode(&decoded); err != nil {
		return "", err
	}
	encoded, err := json.Marshal(decoded)
	if err != nil {
		return "", err
	}
	if len(encoded) > widest {
		return "see [values.yaml](values.yaml)", nil
	}
	return "`" + string(encoded) + "`", nil
}

func row(path, value, comment string) string {
	return "| `" + path + "` | " + value + " | " + strings.ReplaceAll(comment, "|", `\|`) + " |\n"
}
