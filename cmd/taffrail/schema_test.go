package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"golang.org/x/tools/txtar"
)

// Every golden output conforms to its format, so that no reader has to guess. TestScripts proves that check
// prints these outputs.
func TestFormats(t *testing.T) {
	schema := sarifSchema(t)
	validate := map[string]func(text string) error{
		"sarif": func(text string) error { return validateSARIF(schema, text) },
		"junit": validateJUnit,
	}
	for format, validate := range validate {
		for name, text := range goldens(t, format) {
			if err := validate(text); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// goldens returns the outputs in the scripts that use a format.
func goldens(t *testing.T, format string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(archive.Comment), "-o "+format) {
			continue
		}
		for _, f := range archive.Files {
			if f.Name == "want-stdout" {
				outputs[file] = string(f.Data)
			}
		}
	}
	if len(outputs) < 4 {
		t.Fatalf("only %d scripts print %s", len(outputs), format)
	}
	return outputs
}

// A schema that accepts everything would prove nothing.
func TestBrokenSARIF(t *testing.T) {
	schema := sarifSchema(t)
	text := goldens(t, "sarif")[filepath.Join("testdata", "sarif.txtar")]
	for old, broken := range map[string]string{
		`"version": "2.1.0"`:          `"version": "2.2"`,
		`"driver": {`:                 `"program": {`,
		`"level": "error"`:            `"level": "fatal"`,
		`"kind": "open"`:              `"kind": "unknown"`,
		`"ruleIndex": 0`:              `"ruleIndex": "0"`,
		`"startLine": `:               `"startLine": -`,
		`"uriBaseId": "`:              `"base": "`,
		`"executionSuccessful": true`: `"exitCode": 0`,
		`"results": [`:                `"results": null, "other": [`,
		`"text": "Deployment`:         `"words": "Deployment`,
	} {
		if !strings.Contains(text, old) {
			t.Errorf("the golden output has no %s", old)
		} else if validateSARIF(schema, strings.ReplaceAll(text, old, broken)) == nil {
			t.Errorf("%s passes", broken)
		}
	}
}

// The fields that another program reads from the report.
func TestSARIFIsRead(t *testing.T) {
	report, err := sarif.FromString(goldens(t, "sarif")[filepath.Join("testdata", "sarif.txtar")])
	if err != nil {
		t.Fatal(err)
	}
	run := report.Runs[0]
	for _, result := range run.Results {
		rule := run.Tool.Driver.Rules[result.RuleIndex]
		if *rule.ID != *result.RuleID || *rule.Help.Text == "" {
			t.Errorf("the rule of %s is %s", *result.RuleID, *rule.ID)
		}
		for _, location := range result.Locations {
			file, line := *location.PhysicalLocation.ArtifactLocation.URI, *location.PhysicalLocation.Region.StartLine
			if !slices.Contains([]string{"apps/web.yaml", "list.json"}, file) || line < 1 {
				t.Errorf("%s:%d", file, line)
			}
		}
	}
}

// sarifSchema returns the OASIS schema. The module that contains it has it as an unexported constant, and its
// own Validate checks only what its types have kept of a report.
func sarifSchema(t *testing.T) string {
	t.Helper()
	folder, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif").Output()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(folder)), "schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	ast.Inspect(file, func(node ast.Node) bool {
		if constant, ok := node.(*ast.ValueSpec); ok && constant.Names[0].Name == "schema" {
			text, err = strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
		}
		return true
	})
	if err != nil || text == "" {
		t.Fatal("no schema in the module", err)
	}
	return text
}

func validateSARIF(schema, text string) error {
	var report any
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return err
	}
	results, err := rego.New(
		rego.Query("json.match_schema(input.report, input.schema)"), rego.Input(map[string]any{"report": report, "schema": schema}),
		rego.StrictBuiltinErrors(true),
	).Eval(context.Background())
	if err != nil {
		return err
	}
	match := results[0].Expressions[0].Value.([]any)
	if match[0] != true {
		return fmt.Errorf("%v", match[1])
	}
	return nil
}

// junitElement has what readers of JUnit XML recognize: Jenkins' schema, and the attributes file and line.
type junitElement struct {
	required, optional, children []string
}

var junitElements = map[string]junitElement{
	"testsuites": {required: []string{"name", "tests", "failures", "errors", "skipped"}, children: []string{"testsuite"}},
	"testsuite":  {required: []string{"name", "tests", "failures", "errors", "skipped"}, children: []string{"testcase"}},
	"testcase": {
		required: []string{"name", "classname"}, optional: []string{"file", "line"},
		children: []string{"failure", "error", "skipped", "system-out"},
	},
	"failure":    {required: []string{"message", "type"}},
	"error":      {required: []string{"message", "type"}},
	"skipped":    {required: []string{"message", "type"}},
	"system-out": {},
}

// validateJUnit replaces a schema: JUnit XML has no official one, and there is no validator in Go. It checks
// the structure, and that the counts match the cases.
func validateJUnit(text string) error {
	decoder := xml.NewDecoder(strings.NewReader(text))
	var open []xml.StartElement
	counted := map[string]int{}
	suites := map[string]int{}
	outcomes := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch node := token.(type) {
		case xml.StartElement:
			parent := ""
			if len(open) > 0 {
				parent = open[len(open)-1].Name.Local
			}
			if err := checkElement(parent, node); err != nil {
				return err
			}
			open = append(open, node.Copy())
			switch name := node.Name.Local; name {
			case "testcase":
				outcomes = 0
				counted["tests"]++
				suites["tests"]++
			case "failure", "error", "skipped":
				if outcomes++; outcomes > 1 {
					return errors.New("a case has two outcomes")
				}
				plural := map[string]string{"failure": "failures", "error": "errors", "skipped": "skipped"}[name]
				counted[plural]++
				suites[plural]++
			}
		case xml.EndElement:
			started := open[len(open)-1]
			open = open[:len(open)-1]
			counts := suites
			if node.Name.Local == "testsuite" {
				counts = counted
			}
			if node.Name.Local == "testsuite" || node.Name.Local == "testsuites" {
				if err := checkCounts(started, counts); err != nil {
					return err
				}
				counted = map[string]int{}
			}
		case xml.CharData:
			inside := len(open) > 0 && slices.Contains([]string{"failure", "error", "skipped", "system-out"}, open[len(open)-1].Name.Local)
			if !inside && strings.TrimSpace(string(node)) != "" {
				return fmt.Errorf("text outside of an outcome: %q", node)
			}
		}
	}
}

func checkElement(parent string, node xml.StartElement) error {
	name := node.Name.Local
	if parent == "" && name != "testsuites" || parent != "" && !slices.Contains(junitElements[parent].children, name) {
		return fmt.Errorf("%s inside of %q", name, parent)
	}
	element := junitElements[name]
	seen := []string{}
	for _, attribute := range node.Attr {
		seen = append(seen, attribute.Name.Local)
		if !slices.Contains(slices.Concat(element.required, element.optional), attribute.Name.Local) {
			return fmt.Errorf("%s has an attribute %s", name, attribute.Name.Local)
		}
		if attribute.Value == "" {
			return fmt.Errorf("%s has an empty %s", name, attribute.Name.Local)
		}
	}
	for _, required := range element.required {
		if !slices.Contains(seen, required) {
			return fmt.Errorf("%s has no %s", name, required)
		}
	}
	return nil
}

func checkCounts(node xml.StartElement, want map[string]int) error {
	for _, attribute := range node.Attr {
		if attribute.Name.Local != "name" && attribute.Value != strconv.Itoa(want[attribute.Name.Local]) {
			return fmt.Errorf("%s: %s is %s, want %d", node.Name.Local, attribute.Name.Local, attribute.Value, want[attribute.Name.Local])
		}
	}
	return nil
}

func TestBrokenJUnit(t *testing.T) {
	text := goldens(t, "junit")[filepath.Join("testdata", "junit.txtar")]
	for old, broken := range map[string]string{
		`classname=`:    `class=`,
		`<system-out>`:  `<system-out a="">`,
		`failures="1"`:  `failures="2"`,
		`tests="`:       `tests="1`,
		`<failure `:     `<skipped message="a" type="b"></skipped><failure `,
		`<testcase `:    `text <testcase `,
		`</testsuites>`: ``,
	} {
		if !strings.Contains(text, old) {
			t.Errorf("the golden output has no %s", old)
		} else if validateJUnit(strings.ReplaceAll(text, old, broken)) == nil {
			t.Errorf("%s passes", broken)
		}
	}
}
