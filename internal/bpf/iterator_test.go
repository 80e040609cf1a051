package bpf

import (
	"testing"
	"time"
)

func TestAWalkTakesItsShareOfOneCPU(t *testing.T) {
	for _, c := range []struct{ took, rest time.Duration }{
		{0, 0},
		{time.Millisecond, 399 * time.Millisecond},
		{10 * time.Millisecond, 3990 * time.Millisecond},
		{time.Second, walkRest},
	} {
		if rest := rest(c.took); rest != c.rest {
			t.Errorf("after %s it rests %s, want %s", c.took, rest, c.rest)
		}
	}
}

func TestWhatIsNotDueIsNotWalked(t *testing.T) {
	i := &iterators{due: time.Now().Add(time.Hour)}
	due := i.due
	if err := i.turn(); err != nil || i.due != due {
		t.Errorf("it was walked: %v", err)
	}
	if err := i.walk(); err != nil || !i.due.Before(due) {
		t.Errorf("it was not walked although nobody asked whether it is due: %v", err)
	}
}
