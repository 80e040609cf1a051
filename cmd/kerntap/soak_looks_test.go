package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// look is what is seen of a kerntap at one moment.
type look struct {
	after                                  time.Duration
	residentKiB                            int
	goroutines, descriptors, maps          int
	mapKiB                                 uint64
	connections, drops, exported, restarts int
	reloads                                int
}

func (l look) row() string {
	return fmt.Sprintf("| %s | %.1f | %d | %d | %d, %.1f | %d | %d | %d | %d | %d |", l.after.Round(time.Second),
		float64(l.residentKiB)/1024, l.goroutines, l.descriptors, l.maps, float64(l.mapKiB)/1024, l.connections, l.drops,
		l.exported, l.restarts, l.reloads)
}

const soakHead = "| after | resident, MiB | goroutines | descriptors | maps, MiB | connections | drops | records exported | " +
	"collector restarts | reloads |\n" +
	"|---|---|---|---|---|---|---|---|---|---|"

func table(looks []look) string {
	rows := []string{soakHead}
	for _, l := range looks {
		rows = append(rows, l.row())
	}
	return strings.Join(rows, "\n")
}

// checkFlat fails if anything grows between the second and the last fifth of the time, by more than its noise.
func checkFlat(t *testing.T, looks []look) {
	t.Helper()
	highest := func(looks []look, of func(look) int) (most int) {
		for _, l := range looks {
			most = max(most, of(l))
		}
		return most
	}
	if last := looks[len(looks)-1]; last.after < 5*time.Minute {
		t.Logf("%s is too short to tell whether memory grows", last.after)
		looks = slices.Clone(looks)
		for i := range looks {
			looks[i].residentKiB = 0
		}
	}
	for what, flat := range map[string]struct {
		of    func(look) int
		slack int
	}{
		"resident KiB": {func(l look) int { return l.residentKiB }, 12 << 10}, // summaries fill their buckets for an hour
		"goroutines":   {func(l look) int { return l.goroutines }, 8},
		"descriptors":  {func(l look) int { return l.descriptors }, 8},
		"maps":         {func(l look) int { return l.maps }, 0},
		"KiB of maps":  {func(l look) int { return int(l.mapKiB) }, 64},
	} {
		before, after := highest(looks[2:5], flat.of), highest(looks[8:], flat.of)
		if after > before+flat.slack {
			t.Errorf("%s grow from %d to %d", what, before, after)
		}
	}
}
