package main

import (
	"context"
	"errors"
	"io"
	"syscall"
)

// errOutputClosed ends a run whose reader has gone: what is written from then on nobody would see.
var errOutputClosed = errors.New("standard output was closed by its reader")

// output is standard output that says when its reader has gone.
type output struct {
	io.Writer
	closed context.CancelCauseFunc
}

// Write writes p, and ends the run if nobody reads any more.
func (o output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		o.closed(errOutputClosed)
	}
	return n, err
}
