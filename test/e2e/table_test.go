//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
)

// table collects the results of the suite: a line for every load, and the measurements.
type table struct {
	mutex    sync.Mutex
	rows     []string
	measured []string
}

const tableHead = "scenario\ttried\tanswered\twrong\tfailed\tlongest failure\tretries\thow they failed"

func (t *table) add(scenario string, result tally) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.rows = append(t.rows, scenario+"\t"+result.row())
}

func (t *table) measure(format string, args ...any) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.measured = append(t.measured, fmt.Sprintf(format, args...))
}

func (t *table) print(w io.Writer) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	lines := append([]string{"", tableHead}, t.rows...)
	if len(t.rows) == 0 {
		lines = nil
	}
	for _, line := range slices.Concat(lines, []string{""}, t.measured) {
		if _, err := fmt.Fprintln(columns, line); err != nil {
			return err
		}
	}
	return columns.Flush()
}
