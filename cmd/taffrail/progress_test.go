package main

import (
	"bytes"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/audit"
)

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	now, width := time.Time{}, 0
	p := &progress{w: &out, now: func() time.Time { return now }, width: func() int { return width }}
	p.kind("prod", audit.Progress{Kind: schema.GroupKind{Group: "apps", Kind: "Deployment"}, Done: 1, Total: 4, Objects: 7})
	p.object() // too soon to be shown
	now = now.Add(progressInterval)
	p.object()
	now, width = now.Add(progressInterval), 11
	p.object()
	p.end()
	const start = "\r\x1b[K"
	want := start + "prod [#####---------------] 7 objects Deployment.apps" + start + "prod [#####---------------] 9 objects Deployment.apps" + start + "prod [####" + start
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

// A pipe gets no progress.
func TestNoProgressInAPipe(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.kind("prod", audit.Progress{})
	p.object()
	p.end()
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}
