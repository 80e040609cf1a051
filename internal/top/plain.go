package top

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Plain writes the table again and again, without any control of a terminal, until ctx ends or Options.Count are
// written.
func Plain(ctx context.Context, source Source, o Options, out io.Writer) error {
	m, err := newModel(ctx, source, o)
	if err != nil {
		return err
	}
	tick := time.NewTicker(o.Interval)
	defer tick.Stop()
	for written, wait := 0, o.Fresh; o.Count == 0 || written < o.Count; wait = true {
		if wait && !awaits(ctx, tick.C) {
			return nil
		}
		m = m.onLook(m.look().(looked))
		if ctx.Err() != nil {
			return nil
		}
		if m.failure != nil {
			return m.failure
		}
		if m.Rates && m.before == nil {
			continue
		}
		if err := writeTable(out, m.rows(), m.by, written > 0); err != nil {
			return err
		}
		written++
	}
	return nil
}

// awaits returns true at the next tick, and false if ctx ends before.
func awaits(ctx context.Context, tick <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-tick:
		return true
	}
}

// writeTable writes a table at once, with an empty line before it if it is not the first.
func writeTable(out io.Writer, rows []Row, by int, another bool) error {
	var b strings.Builder
	if another {
		b.WriteByte('\n')
	}
	fmt.Fprintln(&b, header(by, false))
	for i := range rows {
		fmt.Fprintln(&b, rows[i].line())
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
