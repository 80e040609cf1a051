package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/kerntap/kerntap/internal/bpf"
)

// supervisor tells the service manager that started kerntap how it does, where there is one that asked: systemd, by
// NOTIFY_SOCKET and WATCHDOG_USEC (sd_notify(3)).
type supervisor struct{ log *slog.Logger }

// ready says that the programs read events.
func (s supervisor) ready(statuses []bpf.Status) {
	s.tell(daemon.SdNotifyReady, "STATUS="+summary(statuses))
}

// stopping says that the end has begun, which may take as long as the exporters are given.
func (s supervisor) stopping() { s.tell(daemon.SdNotifyStopping) }

func (s supervisor) tell(assignments ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(assignments, "\n")); err != nil {
		s.log.Warn("cannot notify the service manager", "error", err)
	}
}

// watchdog tells, until ctx ends, again and again that kerntap moves, and nothing while any of the signs of life has
// stood still for half of the time after which the service manager takes kerntap for dead.
func (s supervisor) watchdog(ctx context.Context, signs func() []sign) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("there is no watchdog", "error", err)
	}
	if interval <= 0 {
		return
	}
	pulse := pulse{patience: interval / 2}
	ticker := time.NewTicker(interval / 4)
	defer ticker.Stop()
	for before := ""; ; {
		stuck := strings.Join(pulse.feel(signs(), time.Now()), ", ")
		if stuck == "" {
			s.tell(daemon.SdNotifyWatchdog)
		} else if stuck != before {
			s.log.Error("the watchdog is not told that kerntap is alive", "stuck", stuck)
		}
		before = stuck
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// summary is the one line that systemctl status shows.
func summary(statuses []bpf.Status) string {
	var programs []string
	for _, status := range statuses {
		programs = append(programs, fmt.Sprint(status.Name, " ", status.State))
	}
	return strings.Join(programs, ", ")
}
