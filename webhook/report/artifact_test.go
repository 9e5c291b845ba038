package report

import (
	"net/url"
	"testing"
)

func TestArtifactURI(t *testing.T) {
	tests := []struct {
		file, want string
		base       bool
	}{
		{"a.yaml", "a.yaml", true},
		{"./deploy//a.yaml", "deploy/a.yaml", true},
		{"deploy/../a.yaml", "a.yaml", true},
		{"../a.yaml", "../a.yaml", false},
		{"..a.yaml", "..a.yaml", true},
		{"with space/ä#?%.yaml", "with%20space/%C3%A4%23%3F%25.yaml", true},
		{"c:a.yaml", "c%3Aa.yaml", true},
		{"\xff.yaml", "%FF.yaml", true},
		{"/tmp/a b.yaml", "file:///tmp/a%20b.yaml", false},
		{"<stdin>", "stdin", false},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			got, base := artifactURI(nil, test.file)
			if got != test.want || base != test.base {
				t.Errorf("got %s, %v", got, base)
			}
			if parsed, err := url.Parse(got); err != nil || base && parsed.IsAbs() {
				t.Errorf("%s is read as %v: %v", got, parsed, err)
			}
		})
	}
}
