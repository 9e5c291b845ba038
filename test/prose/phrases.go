package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// list is the content of phrases.yaml.
type list struct {
	Phrases []phrase    `yaml:"phrases"`
	Exempt  []exemption `yaml:"exempt"`
}

type phrase struct {
	Pattern string `yaml:"pattern"`
	Write   string `yaml:"write"`
	Like    string `yaml:"like"`

	compiled *regexp.Regexp
}

type exemption struct {
	Path string `yaml:"path"`
	Why  string `yaml:"why"`

	compiled *regexp.Regexp
}

// finding is a phrase in a text. A line of 0 stands for the file as a whole.
type finding struct {
	path        string
	line        int
	text, write string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %q: write %s", f.path, f.line, f.text, f.write)
}

func parse(data []byte) (*list, error) {
	var l list
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&l); err != nil {
		return nil, err
	}
	var err error
	for i := range l.Phrases {
		p := &l.Phrases[i]
		if p.Pattern == "" || p.Write == "" || p.Like == "" {
			return nil, fmt.Errorf("phrase %d: pattern, write and like are required", i+1)
		}
		// A space also matches a line break, but not an empty line.
		spaced := strings.ReplaceAll(p.Pattern, " ", `(?:[ \t]+|[ \t]*\n[ \t]*)`)
		if p.compiled, err = regexp.Compile("(?i)" + spaced); err != nil {
			return nil, err
		}
	}
	for i := range l.Exempt {
		e := &l.Exempt[i]
		if e.Path == "" || e.Why == "" {
			return nil, fmt.Errorf("exemption %d: path and why are required", i+1)
		}
		if e.compiled, err = regexp.Compile(e.Path); err != nil {
			return nil, err
		}
	}
	return &l, nil
}

// find returns the findings in a text, in the order of its lines.
func (l *list) find(path, text string) []finding {
	var found []finding
	for _, p := range l.Phrases {
		for _, at := range p.compiled.FindAllStringIndex(text, -1) {
			found = append(found, finding{
				path: path, line: 1 + strings.Count(text[:at[0]], "\n"),
				text: strings.Join(strings.Fields(text[at[0]:at[1]]), " "), write: p.Write,
			})
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int { return a.line - b.line })
	return found
}

// exemption returns the index of the exemption of a path, or -1.
func (l *list) exemption(path string) int {
	return slices.IndexFunc(l.Exempt, func(e exemption) bool { return e.compiled.MatchString(path) })
}
