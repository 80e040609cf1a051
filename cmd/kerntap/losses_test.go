package main

import (
	"testing"
	"time"
)

func TestALossIsForgottenAfterAMinute(t *testing.T) {
	var l losses
	start := time.Unix(1000, 0)
	for _, step := range []struct {
		after time.Duration
		total uint64
		want  bool
	}{
		{0, 0, false},
		{time.Second, 5, true},
		{30 * time.Second, 5, true},
		{61 * time.Second, 5, false},
		{62 * time.Second, 6, true},
		{121 * time.Second, 6, true},
		{122 * time.Second, 6, false},
	} {
		if got := l.recent(step.total, start.Add(step.after)); got != step.want {
			t.Errorf("after %s with %d: %t, want %t", step.after, step.total, got, step.want)
		}
	}
}
