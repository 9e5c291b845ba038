package golden

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileIsWrittenAndComparedWith(t *testing.T) {
	file := filepath.Join(t.TempDir(), "folder", "words.txt")
	if got := compare(file, "a\n"); !strings.Contains(got, "-update") {
		t.Errorf("a file that is missing: %q", got)
	}
	if err := write(file, "a\n"); err != nil {
		t.Fatal(err)
	}
	if got := compare(file, "a\n"); got != "" {
		t.Errorf("the same text differs: %s", got)
	}
	if got := compare(file, "b\n"); !strings.Contains(got, file) || !strings.Contains(got, "b") {
		t.Errorf("another text: %q", got)
	}
}

func TestTranscript(t *testing.T) {
	var transcript Transcript
	transcript.Heading("a Pod")
	transcript.Command("alice", "kubectl apply -f pod.yaml", "pod/web created\n")
	transcript.Command("", "kubectl get pods", "")
	transcript.Note("%d Pods", 2)
	want := "\n# a Pod\nalice$ kubectl apply -f pod.yaml\npod/web created\n$ kubectl get pods\n(2 Pods)\n"
	if got := transcript.text.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
