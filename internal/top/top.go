// Package top shows what commands do in a table that is renewed: on a terminal with keys, elsewhere as plain text.
//
// Its law: numbers are those of kerntap's metrics, which count everything; records are shown as the samples that they are.
package top

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/client"
)

// Source is where metrics and records come from.
type Source interface {
	Metrics(ctx context.Context) (client.Metrics, error)
	Events(ctx context.Context, command string, limit int) ([]api.Event, error)
}

var _ Source = (*client.Client)(nil)

// Options say what to show and how.
type Options struct {
	// Name says whose metrics these are.
	Name string
	// Interval is the time between two looks.
	Interval time.Duration
	// Count ends the plain table after so many looks; 0 does not.
	Count int
	// Fresh tells that the source has just begun: the first look comes after an interval.
	Fresh bool
	// Rates shows what happened a second since the look before, instead of all since kerntap started.
	Rates bool
	// Filter is a part of the commands to show; Sort is the title of the column that orders them.
	Filter, Sort string
	// Location is the time zone of records; nil means the local one.
	Location *time.Location
}

// columnOf returns the number of a column by its title in any case.
func columnOf(title string) (int, error) {
	all := columns()
	var titles []string
	for i, c := range all {
		if strings.EqualFold(c.title, title) || title == "" {
			return i, nil
		}
		titles = append(titles, c.title)
	}
	return 0, fmt.Errorf("%q is no column: choose one of %s", title, strings.Join(titles, ", "))
}

// Check refuses options that cannot be meant.
func (o Options) Check() error {
	if o.Interval < 100*time.Millisecond || o.Interval > time.Hour {
		return fmt.Errorf("interval %s: give 100ms to 1h", o.Interval)
	}
	if o.Count < 0 {
		return fmt.Errorf("count %d is negative", o.Count)
	}
	_, err := columnOf(o.Sort)
	return err
}

// Run shows the table on a terminal until somebody ends it, or ctx ends.
func Run(ctx context.Context, source Source, o Options, in io.Reader, out io.Writer, environ []string) error {
	m, err := newModel(ctx, source, o)
	if err != nil {
		return err
	}
	_, err = tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out),
		tea.WithEnvironment(environ), tea.WithoutSignalHandler()).Run()
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("show the table: %w", err)
	}
	return nil
}
