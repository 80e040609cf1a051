package export

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// lineWriter writes whole lines of both signals to one stream, so that they never interleave. A write is never given
// up half way: the line would stay on the stream as garbage, and a summary of an interval cannot be had again.
type lineWriter struct {
	out  io.Writer
	turn chan struct{} // holds one token, for whoever writes
}

func newLineWriter(out io.Writer) *lineWriter {
	return &lineWriter{out: out, turn: make(chan struct{}, 1)}
}

// write writes lines at once and returns how many of them are on the stream.
func (w *lineWriter) write(lines []byte) (int, error) {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	n, err := w.out.Write(lines)
	if err != nil {
		return bytes.Count(lines[:n], []byte{'\n'}), fmt.Errorf("write to the console: %w", err)
	}
	return bytes.Count(lines, []byte{'\n'}), nil
}

// unbuffered is what exporters embed that hold nothing back and own nothing.
type unbuffered struct{}

// ForceFlush has nothing to do.
func (unbuffered) ForceFlush(context.Context) error { return nil }

// Shutdown has nothing to do.
func (unbuffered) Shutdown(context.Context) error { return nil }
