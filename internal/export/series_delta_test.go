package export

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestDeltasAddUpToWhatWasCounted adds and collects at random, with series that leave and come back.
func TestDeltasAddUpToWhatWasCounted(t *testing.T) {
	metrics := kinds()
	counter, histogram := metrics[0], metrics[3]
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		clock := &hand{}
		table := newTable(t, clock, nil, form{}, formFor(TemporalityDelta, false), formFor(TemporalityLowMemory, true))
		added := map[string]map[string]int64{counter.Name: {}, histogram.Name: {}}
		var told [3]map[string]map[string]int64
		for i := range told {
			told[i] = map[string]map[string]int64{counter.Name: {}, histogram.Name: {}}
		}
		for range 2000 {
			label := command(random.IntN(10))
			switch random.IntN(4) {
			case 0:
				n := random.IntN(100)
				table.addNow(measureOf(counter, float64(n), label))
				added[counter.Name]["kerntap.command="+label.Value] += int64(n)
			case 1:
				table.addNow(measureOf(histogram, random.ExpFloat64(), label))
				added[histogram.Name]["kerntap.command="+label.Value]++
			case 2:
				clock.passed += time.Duration(random.Int64N(int64(2 * time.Minute)))
			case 3:
				reader := random.IntN(len(told))
				tellAll(t, table.producers[reader], told[reader])
			}
		}
		for i := 1; i < len(told); i++ {
			tellAll(t, table.producers[i], told[i])
			if got, want := fmt.Sprint(told[i]), fmt.Sprint(added); got != want {
				t.Errorf("seed %d: reader %d was told\n%s, want\n%s", seed, i, got, want)
			}
		}
	}
}

// tellAll adds what a reader is told.
func tellAll(t *testing.T, p *producer, told map[string]map[string]int64) {
	t.Helper()
	for name, m := range collect(t, p) {
		for series, n := range sums(m.Data) {
			told[name][series] += n
		}
	}
}

func TestAddAndCollectTogether(t *testing.T) {
	table := newTable(t, &hand{}, nil, form{}, formFor(TemporalityDelta, false), formFor(TemporalityDelta, true))
	const rounds = 2000
	var group sync.WaitGroup
	done := make(chan struct{})
	told := make([]map[string]map[string]int64, len(table.producers))
	for i, p := range table.producers {
		told[i] = map[string]map[string]int64{}
		for _, m := range kinds() {
			told[i][m.Name] = map[string]int64{}
		}
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					tellAll(t, p, told[i])
				}
			}
		})
	}
	metrics := kinds()
	for i := range rounds {
		for _, m := range metrics {
			table.addNow(measureOf(m, 1, command(i%7)))
		}
	}
	close(done)
	group.Wait()
	for i := 1; i < len(table.producers); i++ {
		tellAll(t, table.producers[i], told[i])
		for _, name := range []string{"counter", "histogram"} {
			var sum int64
			for _, n := range told[i][name] {
				sum += n
			}
			if sum != rounds {
				t.Errorf("reader %d was told %d of %s, want %d", i, sum, name, rounds)
			}
		}
	}
}
