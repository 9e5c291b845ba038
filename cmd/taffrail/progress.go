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
	now     func() time.Time
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
	if !ok || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(file.Fd())) {
		return &progress{}
	}
	return &progress{w: w, now: time.Now}
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
	const width = 20
	done := width
	if p.last.Total > 0 {
		done = width * p.last.Done / p.last.Total
	}
	p.shown = p.now()
	// There is nowhere to report an error, and the report does not depend on it.
	fmt.Fprintf(p.w, "\r\x1b[K%s [%s%s] %d objects %s", p.cluster, strings.Repeat("#", done), strings.Repeat("-", width-done), p.objects, p.last.Kind) //nolint:errcheck // see above
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
