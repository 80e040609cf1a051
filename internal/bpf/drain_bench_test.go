package bpf

import (
	"encoding/binary"
	"maps"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
)

// The objects whose ledgers are drained.
var drained = map[string]string{
	"connection":  "programs/connection/connection_bpfel.o",
	"packet_drop": "programs/packet_drop/packetdrop_bpfel.o",
}

func requireBPF(b *testing.B) {
	b.Helper()
	if err := features.HaveMapType(ebpf.RingBuf); err != nil {
		if os.Getenv("REQUIRE_BPF") != "" {
			b.Fatal("REQUIRE_BPF is set, and this benchmark needs CAP_BPF: ", err)
		}
		b.Skip("needs CAP_BPF: ", err)
	}
}

// fill gives a map as many keys as it holds. Each of them has values.
func fill[V any](b *testing.B, m *ebpf.Map, values []V) {
	b.Helper()
	key := make([]byte, m.KeySize())
	for i := range m.MaxEntries() {
		binary.NativeEndian.PutUint32(key, i+1)
		var value any = values
		if m.Type() == ebpf.Hash {
			value = &values[0]
		}
		if err := m.Put(key, value); err != nil {
			b.Fatalf("fill %s, key %d: %v", m, i, err)
		}
	}
}

// BenchmarkDrainFullLedger turns and drains a program's ledger, of which one half is full, on the running kernel.
func BenchmarkDrainFullLedger(b *testing.B) {
	requireBPF(b)
	for name, path := range drained {
		b.Run(name, func(b *testing.B) {
			spec, err := ebpf.LoadCollectionSpec(path)
			if err != nil {
				b.Fatal(err)
			}
			maps.DeleteFunc(spec.Programs, func(_ string, p *ebpf.ProgramSpec) bool { return refines(p.SectionName) }) // not every kernel has them
			session := NewSession(nil)
			defer session.Close()
			o, err := loadObject(session, spec)
			if err != nil {
				b.Fatal(err)
			}
			defer o.close()
			cpus := o.ledger.rows[0].each
			for b.Loop() {
				b.StopTimer()
				i := o.ledger.filled
				fill(b, o.ledger.rows[i].m, perCPU(cpus))
				fill(b, o.ledger.processes[i].m, []uint64{1})
				if o.ledger.spill != nil {
					fill(b, o.ledger.distributions[i].m, make([]wireMeasures, 1))
				}
				pending := newPendingTallies(&Spec{}, session)
				b.StartTimer()
				if err := o.ledger.drain(pending); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpus), "CPUs")
			report(b, o.ledger.rows[0].m)
		})
	}
}

func perCPU(cpus int) []wireTally {
	values := make([]wireTally, cpus)
	for i := range values {
		values[i] = wireTally{1, 100}
	}
	return values
}

func report(b *testing.B, rows *ebpf.Map) {
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/drain")
	b.ReportMetric(float64(rows.MaxEntries()), "rows")
	b.ReportMetric(0, "ns/op")
}

// emulatedCPUs is how many possible CPUs the maps below are made for.
const emulatedCPUs = 64

// BenchmarkDrainFullLedgerFor64CPUs drains maps of the size that a machine with 64 possible CPUs has, where there are
// fewer. contiguous is the whole drain with plain values as large as those of 64 CPUs: as many bytes and additions as
// there, but the kernel finds them in one place, so it is too fast. scattered has as many values of a CPU, each in its own
// place, on the CPUs that there are: as many places as there, but the kernel has to find a key for each few of them, which
// is too slow; it adds all to one row of pending tallies, which is too fast by what those rows take. Neither waits for
// running programs, as a real drain does.
func BenchmarkDrainFullLedgerFor64CPUs(b *testing.B) {
	requireBPF(b)
	for name, path := range drained {
		spec, err := ebpf.LoadCollectionSpec(path)
		if err != nil {
			b.Fatal(err)
		}
		RowsBy{}.shorten(spec)
		sizeMaps(spec, emulatedCPUs, defaultMapBytes)
		b.Run(name+"/contiguous", func(b *testing.B) {
			rows := spec.Maps[rowsMap+"0"].Copy()
			rows.Type, rows.ValueSize = ebpf.Hash, emulatedCPUs*rows.ValueSize
			drainMaps(b, spec, rows, [emulatedCPUs]wireTally(perCPU(emulatedCPUs)), func(p *pendingTallies) func([]byte, [][emulatedCPUs]wireTally) {
				return func(key []byte, values [][emulatedCPUs]wireTally) { p.addRow(key, values[0][:]) }
			})
		})
		b.Run(name+"/scattered", func(b *testing.B) {
			rows, cpus := spec.Maps[rowsMap+"0"].Copy(), ebpf.MustPossibleCPU()
			rows.MaxEntries *= uint32(max(1, emulatedCPUs/cpus))
			drainMaps(b, spec, rows, wireTally{1, 100}, func(p *pendingTallies) func([]byte, []wireTally) {
				row := p.row(make([]byte, rows.KeySize+RowsBy{}.keysLack()))
				return func(_ []byte, values []wireTally) {
					for _, tally := range values {
						row.count, row.sum = row.count+tally.Count, row.sum+tally.Sum
					}
				}
			})
		})
	}
}

// drainMaps drains rows and the other halves of an object, all of them full.
func drainMaps[V any](b *testing.B, spec *ebpf.CollectionSpec, rowsSpec *ebpf.MapSpec, value V,
	addTo func(*pendingTallies) func([]byte, []V)) {
	session := NewSession(nil)
	defer session.Close()
	rows := madeHalf[V](b, rowsSpec, RowsBy{}.keysLack())
	processes := madeHalf[uint64](b, spec.Maps[processesMap+"0"], 0)
	var distributions *half[wireMeasures]
	if made := spec.Maps[distributionsMap+"0"]; made != nil {
		distributions = madeHalf[wireMeasures](b, made, RowsBy{}.keysLack())
	}
	values := make([]V, rows.each)
	for i := range values {
		values[i] = value
	}
	for b.Loop() {
		b.StopTimer()
		fill(b, rows.m, values)
		fill(b, processes.m, []uint64{1})
		if distributions != nil {
			fill(b, distributions.m, make([]wireMeasures, 1))
		}
		pending := newPendingTallies(&Spec{}, session)
		b.StartTimer()
		if err := rows.drain(addTo(pending)); err != nil {
			b.Fatal(err)
		}
		if err := processes.drain(pending.addProcess); err != nil {
			b.Fatal(err)
		}
		if distributions != nil {
			if err := distributions.drain(pending.addMeasures); err != nil {
				b.Fatal(err)
			}
		}
	}
	report(b, rows.m)
}

func madeHalf[V any](b *testing.B, spec *ebpf.MapSpec, lack uint32) *half[V] {
	b.Helper()
	made := spec.Copy()
	made.Key, made.Value = nil, nil
	m, err := ebpf.NewMap(made)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	h, err := newHalf[V](m, lack)
	if err != nil {
		b.Fatal(err)
	}
	return h
}
