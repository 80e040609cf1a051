package connection_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/kernel"
)

// Each CPU counts the connections of one client and its server in rows that it keeps; few of them find a row taken by what
// they interrupt. A second process of that name adds to them and is told apart, and so is another client, in the ledger where
// it meets the first.
func TestEachCPUKeepsTheRowsThatItCountsIn(t *testing.T) {
	bpftest.Require(t)
	bpftest.RequireFeature(t, kernel.OpenConnections) // it rests on the same operations
	countBursts(t, 0, true)
}

// Where there is no room for rows that are kept, the same is counted in the ledger.
func TestRowsThatAreNotKeptAreCountedAllTheSame(t *testing.T) {
	countBursts(t, 64<<10, false)
}

func countBursts(t *testing.T, mapBytes uint64, kept bool) {
	t.Helper()
	const n = 500
	ns := bpftest.NewNamespace(t)
	c := startCounter(t, func(s *bpf.Session) { s.DrainEvery, s.ScopeNetNS, s.MapBytes = time.Hour, ns.Inode, mapBytes })
	listening := ns.StartHelper(t, "kt-kept-server", "sink", "127.0.0.1:0").Line(t)
	want := map[string]uint64{
		"kt-kept client opened": 2 * n, "kt-kept client closed": 2 * n, "kt-not-kept client opened": n, "kt-not-kept client closed": n,
		"kt-kept-server server opened": 3 * n, "kt-kept-server server closed": 3 * n,
	}
	for _, burst := range []struct {
		client string
		kept   uint64 // at least, but for a tenth
	}{{"kt-kept", 4 * n}, {"kt-kept", 4 * n}, {"kt-not-kept", 2 * n}} {
		before := bpftest.CachedEvents(t)
		client := ns.StartHelper(t, burst.client, "burst", listening, strconv.Itoa(n), "fin")
		client.Line(t)
		c.settle()
		switch cached := bpftest.CachedEvents(t) - before; {
		case !kept && cached > 0, kept && (cached > 4*n || cached < burst.kept*9/10):
			t.Errorf("of %d events of %s %d were counted in rows that are kept", 4*n, burst.client, cached)
		}
		want[fmt.Sprint(burst.client, " ", client.PID)] = n
	}
	c.stop(t)
	for what, n := range want {
		if c.counts[what] != n {
			t.Errorf("%s: %d, want %d", what, c.counts[what], n)
		}
	}
}
