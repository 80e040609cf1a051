package storm

import (
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

const (
	rounds     = 24 // as often with each of three, or of four, the first
	statRounds = 5
	lasting    = 2 * time.Second
	warming    = time.Second // what a start costs is no cost of the storm
)

// storm is a load, the tracepoints on which the floor counts it, and a tool that watches the same, "" for none.
type storm struct {
	begin     func() load
	floor     []string
	tool      string
	collector string
}

// costs are the figures of the rounds of one storm.
type costs struct {
	alone, counted, watched figures // events a second
	tool                    string
	tooled, lost            figures // events a second with the tool, and how many of the round it lost
	cpu, resident, peak     figures
	mapsClaimed, maps       figures
	bpfTime                 map[string]figures // ns an event, by function
	floor, sum              figures
}

// warm begins the load and returns once it, and what runs beside it, is under way.
func (s storm) warm(b *testing.B) load {
	l := s.begin()
	l.run(b, warming)
	return l
}

// rate measures the load without BPF statistics.
func (s storm) rate(b *testing.B) float64 {
	l := s.warm(b)
	defer l.end(b)
	_, perSecond := l.run(b, lasting)
	return perSecond
}

// alone, underFloor, underKerntap and underTool each measure the load once. They take turns in who is first.
func (s storm) alone(b *testing.B, c *costs) { c.alone = append(c.alone, s.rate(b)) }

func (s storm) underFloor(b *testing.B, c *costs) {
	floors := s.startFloor(b)
	c.counted = append(c.counted, s.rate(b))
	for _, floor := range floors {
		floor.Stop(b)
	}
}

func (s storm) underKerntap(b *testing.B, c *costs) {
	k := startKerntap(b, s.collector)
	defer k.stop(b)
	l := s.warm(b)
	defer l.end(b)
	cpu, began := k.cpu(b), time.Now()
	_, perSecond := l.run(b, lasting)
	c.watched = append(c.watched, perSecond)
	c.cpu = append(c.cpu, 100*(k.cpu(b)-cpu).Seconds()/time.Since(began).Seconds())
	c.resident = append(c.resident, k.memory(b, "VmRSS"))
	c.peak = append(c.peak, k.memory(b, "VmHWM"))
	c.mapsClaimed = append(c.mapsClaimed, k.claimed(b))
	c.maps = append(c.maps, k.maps(b))
}

func (s storm) underTool(b *testing.B, c *costs) {
	t := startTool(b, s.tool)
	c.tooled = append(c.tooled, s.rate(b))
	c.lost = append(c.lost, t.end(b))
}

func (s storm) startFloor(b *testing.B) (floors []*bpftest.Floor) {
	for _, tracepoint := range s.floor {
		floors = append(floors, bpftest.StartFloor(b, tracepoint))
	}
	return floors
}

// statRound measures the time of kerntap's functions and of the floor, which see the same events. They take turns in who
// is first: it finds the caches colder.
func (s storm) statRound(b *testing.B, floorFirst bool, c *costs) {
	statistics, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer statistics.Close()
	var floors []*bpftest.Floor
	if floorFirst {
		floors = s.startFloor(b)
	}
	k := startKerntap(b, s.collector)
	defer k.stop(b)
	if !floorFirst {
		floors = s.startFloor(b)
	}
	l := s.warm(b)
	defer l.end(b)
	before, floorBefore := k.bpfTime(b), floorTime(b, floors)
	n, _ := l.run(b, lasting)
	var sum uint64
	for function, ns := range k.bpfTime(b) {
		ns -= before[function]
		sum += ns
		c.bpfTime[function] = append(c.bpfTime[function], float64(ns)/float64(n))
	}
	c.sum = append(c.sum, float64(sum)/float64(n))
	c.floor = append(c.floor, float64(floorTime(b, floors)-floorBefore)/float64(n))
	for _, floor := range floors {
		floor.Stop(b)
	}
}

func floorTime(b *testing.B, floors []*bpftest.Floor) (ns uint64) {
	b.Helper()
	for _, floor := range floors {
		stats, err := floor.Program.Stats()
		if err != nil {
			b.Fatal(err)
		}
		ns += uint64(stats.Runtime.Nanoseconds())
	}
	return ns
}

// measure runs the rounds.
func (s storm) measure(b *testing.B) *costs {
	c := &costs{tool: s.tool, bpfTime: make(map[string]figures)}
	variants := []func(*testing.B, *costs){s.alone, s.underFloor, s.underKerntap}
	if s.tool != "" {
		variants = append(variants, s.underTool)
	}
	for round := range rounds {
		for turn := range variants {
			variants[(round+turn)%len(variants)](b, c)
		}
	}
	for i := range statRounds {
		s.statRound(b, i%2 == 0, c)
	}
	return c
}
