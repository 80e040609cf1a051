package export

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
)

// lineWriter writes whole lines of both signals to one stream, so that they never interleave. A write is never given
// up half way: the line would stay on the stream as garbage, and a summary of an interval cannot be had again.
type lineWriter struct {
	mu  sync.Mutex
	out io.Writer
}

// write writes lines at once and returns how many of them are on the stream.
func (w *lineWriter) write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
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
