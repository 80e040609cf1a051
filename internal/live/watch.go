// Package live shows records as they come: one line each, those alone that somebody asked for.
package live

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/client"
)

const (
	// pace is the time between two questions while nothing waits.
	pace = 250 * time.Millisecond
	// lossPace is the time between two looks at what was counted and not recorded.
	lossPace = 5 * time.Second
)

// Source is where records come from.
type Source interface {
	Follow(ctx context.Context, after uint64) (api.FollowAnswer, error)
	Newest(ctx context.Context) (uint64, error)
	Programs(ctx context.Context) ([]api.Program, error)
}

var _ Source = (*client.Client)(nil)

// Options say what to show and how.
type Options struct {
	Filter Filter
	// JSON prints each record as one JSON object, as the API has it, instead of a line for people.
	JSON bool
	// Since begins with what was kept from that moment on; the zero time begins with now.
	Since time.Time
	// Count ends after so many records; 0 does not.
	Count int
	// Out takes records, Notes what is to be known about those that are not among them.
	Out, Notes io.Writer
	// Location is the time zone of the lines; nil means the local one.
	Location *time.Location
}

// watcher is one run.
type watcher struct {
	Options
	source Source
	after  uint64
	shown  int
	losses losses
}

// Run shows records until ctx ends, which is no error, or until Options.Count are shown.
func Run(ctx context.Context, source Source, options Options) error {
	w := &watcher{Options: options, source: source}
	if w.Location == nil {
		w.Location = time.Local
	}
	err := w.begin(ctx)
	pause, look := time.NewTicker(pace), time.NewTicker(lossPace)
	defer pause.Stop()
	defer look.Stop()
	for more := true; err == nil && !w.done(); {
		if more {
			more, err = w.step(ctx)
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			err = w.lookForLosses(ctx)
		case <-pause.C:
			more = true
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (w *watcher) done() bool { return w.Count > 0 && w.shown >= w.Count }

// begin finds out where to start.
func (w *watcher) begin(ctx context.Context) (err error) {
	if w.Since.IsZero() {
		w.after, err = w.source.Newest(ctx)
	}
	if err != nil {
		return err
	}
	return w.lookForLosses(ctx)
}

// step shows what has come since the last step, and tells whether there is more.
func (w *watcher) step(ctx context.Context) (more bool, err error) {
	answer, err := w.source.Follow(ctx, w.after)
	if err != nil {
		return false, err
	}
	if answer.Next < w.after {
		w.note("kerntap was started anew")
	}
	if answer.Missed > 0 && w.after > 0 {
		w.note(fmt.Sprintf("%d records came and left before they could be shown", answer.Missed))
	}
	w.after = answer.Next
	for i := range answer.Events {
		event := &answer.Events[i]
		if w.done() {
			break
		}
		if event.Timestamp.Before(w.Since) || !w.Filter.Matches(event) {
			continue
		}
		if err := w.show(event); err != nil {
			return false, err
		}
		w.shown++
	}
	return answer.More, nil
}

func (w *watcher) show(event *api.Event) error {
	line := []byte(Line(event, w.Location))
	if w.JSON {
		var err error
		if line, err = json.Marshal(event); err != nil {
			return fmt.Errorf("encode a record: %w", err)
		}
	}
	if _, err := w.Out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	return nil
}

func (w *watcher) note(text string) { fmt.Fprintln(w.Notes, "kerntap watch: "+text) }

// lookForLosses says what was counted since it last looked, but not recorded.
func (w *watcher) lookForLosses(ctx context.Context) error {
	programs, err := w.source.Programs(ctx)
	if err != nil {
		return err
	}
	if text := w.losses.since(programs); text != "" {
		w.note(text)
	}
	return nil
}
