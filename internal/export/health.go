package export

import "log/slog"

// health tells the diagnostic log when exports begin to fail and when they work again, not each time.
type health struct {
	log *slog.Logger
	// reach speaks for exports that fail because the collector is not there; nil if there is no collector.
	reach   *reachability
	failing bool
}

// report enters the result of one export.
func (h *health) report(err error) {
	if err != nil && h.reach.isWaiting() {
		return
	}
	switch {
	case err != nil && !h.failing:
		h.log.Warn("export failed", "error", err)
	case err == nil && h.failing:
		h.log.Info("export works again")
	}
	h.failing = err != nil
}
