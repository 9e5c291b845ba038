package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/replay/auditlog"
)

// progress shows how far an audit or a replay is, on one line of a terminal. It writes nothing elsewhere.
type progress struct {
	w io.Writer
	// now is nil if nothing is shown.
	now func() time.Time
	// width returns the width of the terminal, or 0 if it is not known.
	width   func() int
	shown   time.Time
	began   time.Time
	cluster string
	last    audit.Progress
	objects int
}

// progressInterval limits how often the line is written.
const progressInterval = 100 * time.Millisecond

func newProgress(w io.Writer) *progress {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || !isTerminal(w) {
		return &progress{}
	}
	width := func() int {
		width, _, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 0
		}
		return width
	}
	return &progress{w: w, now: time.Now, width: width}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// kind shows the kind that is read next.
func (p *progress) kind(cluster string, next audit.Progress) {
	if p.now == nil {
		return
	}
	p.cluster, p.last, p.objects = cluster, next, next.Objects
	p.show()
}

// object counts an object.
func (p *progress) object() {
	if p.now == nil {
		return
	}
	if p.objects++; p.now().Sub(p.shown) >= progressInterval {
		p.show()
	}
}

func (p *progress) show() {
	const bar = 20
	done := bar
	if p.last.Total > 0 {
		done = bar * p.last.Done / p.last.Total
	}
	p.shown = p.now()
	line := []rune(fmt.Sprintf("%s [%s%s] %d objects %s", p.cluster, strings.Repeat("#", done), strings.Repeat("-", bar-done), p.objects, p.last.Kind))
	// A line that wraps cannot be replaced.
	if width := p.width(); width > 0 {
		line = line[:min(len(line), max(width-1, 0))]
	}
	// There is nowhere to report an error, and the report does not depend on it.
	fmt.Fprintf(p.w, "\r\x1b[K%s", string(line)) //nolint:errcheck // see above
}

// events shows how far a replay is.
func (p *progress) events(s *auditlog.Stats) {
	if p.now == nil {
		return
	}
	now := p.now()
	if p.began.IsZero() {
		p.began = now
	}
	if now.Sub(p.shown) < progressInterval {
		return
	}
	p.shown = now
	rate := float64(s.Events) / max(now.Sub(p.began).Seconds(), progressInterval.Seconds())
	fmt.Fprintf(p.w, "\r\x1b[K%d MiB, %d events, %.0f a second", s.Bytes>>20, s.Events, rate) //nolint:errcheck // see show
}

// end removes the line.
func (p *progress) end() {
	if p.now != nil {
		fmt.Fprint(p.w, "\r\x1b[K") //nolint:errcheck // as above
	}
}
