// Package golden compares the output of tests with files in the repository. Run a test with -update to rewrite
// its files, and review the changes before you commit them.
package golden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// Updating reports whether golden files are rewritten instead of compared.
func Updating() bool { return *update }

// Check compares a text with a file, or writes the file. A difference does not end the test.
func Check(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := write(file, got); err != nil {
			t.Fatal(err)
		}
	}
	if difference := compare(file, got); difference != "" {
		t.Error(difference)
	}
}

func write(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func compare(file, got string) string {
	want, err := os.ReadFile(file)
	if err != nil {
		return fmt.Sprintf("%v (-update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		return fmt.Sprintf("%s (-want +got; -update writes it):\n%s", file, diff)
	}
	return ""
}
