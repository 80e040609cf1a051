package bpf

import (
	"testing"
	"time"
)

func TestAWalkTakesItsShareOfOneCPU(t *testing.T) {
	for _, c := range []struct{ took, apart time.Duration }{
		{0, 0},
		{time.Millisecond, 400 * time.Millisecond},
		{10 * time.Millisecond, 4 * time.Second},
	} {
		if apart := apart(c.took); apart != c.apart {
			t.Errorf("after %s the next begins %s later, want %s", c.took, apart, c.apart)
		}
	}
	if apart := apart(time.Second); apart != walkRest {
		t.Errorf("a walk that took a second is followed %s later, want %s", apart, walkRest)
	}
}

func TestAWalkIsMadeAtTheTurnNearestToIt(t *testing.T) {
	const interval = time.Minute
	for _, c := range []struct {
		due   time.Duration // from now
		walks bool
	}{{-time.Hour, true}, {interval / 3, true}, {interval * 2 / 3, false}, {5 * interval, false}} {
		i := &iterators{due: time.Now().Add(c.due)}
		before := i.due
		if err := i.turn(interval); err != nil || (i.due != before) != c.walks {
			t.Errorf("due in %s: it was walked: %t, %v, want %t", c.due, i.due != before, err, c.walks)
		}
		i.hurry()
		if err := i.turn(interval); err != nil || i.due.IsZero() {
			t.Errorf("it was not walked although there was no room: %v", err)
		}
	}
}
