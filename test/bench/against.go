package main

import (
	"context"
	"time"
)

type against struct {
	url        string
	pid, count int
	limit      time.Duration
	ca         string
	elsewhere  bool
}

func (a against) run(context.Context, options) error { return nil }
