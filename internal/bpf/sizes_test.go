package bpf_test

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// objects are the programs' objects, by their paths.
func objects(t testing.TB) map[string]*ebpf.CollectionSpec {
	t.Helper()
	all := make(map[string]*ebpf.CollectionSpec)
	for _, path := range []string{
		"programs/connection/connection_bpfel.o",
		"programs/packet_drop/packetdrop_bpfel.o",
	} {
		spec, err := ebpf.LoadCollectionSpec(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = spec
	}
	return all
}

func TestMapsOfAllProgramsTakeNoMoreThan32MiB(t *testing.T) {
	for _, by := range rows() {
		for _, cpus := range []int{1, 2, 8, 64, 128, 256} {
			t.Run(fmt.Sprintf("%d CPUs, %+v", cpus, by), func(t *testing.T) {
				var total uint64
				shared := make(map[string]bool)
				for _, spec := range objects(t) {
					for name, bytes := range bpf.MapMemory(spec, cpus, by) {
						if name == "cgroups" && shared[name] {
							continue
						}
						shared[name] = true
						total += bytes
					}
				}
				t.Logf("%.1f MiB", float64(total)/(1<<20))
				if total > 32<<20 {
					t.Errorf("%d bytes", total)
				}
			})
		}
	}
}

// Rows that CPUs keep are left out, and counted in the ledger, where there are so many CPUs that they would leave it little.
func TestRowsAreKeptWhereTheyFit(t *testing.T) {
	for cpus, kept := range map[int]bool{2: true, 256: true, 1024: false} {
		spec := objects(t)["programs/connection/connection_bpfel.o"]
		bpf.MapMemory(spec, cpus, bpf.RowsBy{})
		var told bool
		if err := spec.Variables["rows_are_kept"].Get(&told); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"row_cache", "measures_cache"} {
			if n := spec.Maps[name].MaxEntries; told != kept || (n > 1) != kept {
				t.Errorf("%d CPUs: %s has room for %d, told %v", cpus, name, n, told)
			}
		}
	}
}

// rows are those of the default, and the longest.
func rows() []bpf.RowsBy { return []bpf.RowsBy{{}, {Container: true, Executable: true}} }

func TestMapsTakeWhatWasWorkedOut(t *testing.T) {
	bpftest.Require(t)
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range rows() {
		for path, spec := range objects(t) {
			var said, workedOut uint64
			for name, bytes := range bpf.MapMemory(spec, cpus, by) {
				said, workedOut = said+memlock(t, spec.Maps[name]), workedOut+bytes
			}
			t.Logf("%s, %+v: %d bytes worked out, %d said the kernel", path, by, workedOut, said)
			if off := float64(workedOut)/float64(said) - 1; off < -0.15 || off > 0.15 {
				t.Errorf("%s: the maps take %d bytes, %d were worked out (%+.0f %%)", path, said, workedOut, 100*off)
			}
		}
	}
}

// memlock creates a map and returns what the kernel says that it takes.
func memlock(t *testing.T, spec *ebpf.MapSpec) uint64 {
	t.Helper()
	m, err := ebpf.NewMap(spec)
	if err != nil {
		t.Fatalf("map %s: %v", spec.Name, err)
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		t.Fatal(err)
	}
	bytes, ok := info.Memlock()
	if !ok {
		t.Skip("the kernel does not say what maps take")
	}
	return bytes
}
