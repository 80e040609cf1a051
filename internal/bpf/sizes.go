package bpf

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf"
)

const (
	// defaultMapBytes leaves two programs, and what they share, within 32 MiB.
	defaultMapBytes = 15 << 20

	// minOwners is few, but more than most containers have connections.
	minOwners = 1024
	// lockedCgroups is what the names of cgroups take, and a little.
	lockedCgroups = 640 << 10
	// minRing is a page where pages are largest.
	minRing = 64 << 10

	minRows, maxRows                   = 128, 8192
	minProcesses, maxProcesses         = 256, 8192
	minDistributions, maxDistributions = 64, 1024
)

// share is what part of the memory left the maps of one kind may take, in percent, and between how many entries.
type share struct {
	name     string
	percent  uint64
	min, max uint32
}

// shares add up to less than what is left: hash tables round up.
func shares() []share {
	return []share{
		{rowsMap, 60, minRows, maxRows},
		{processesMap, 15, minProcesses, maxProcesses},
		{distributionsMap, 20, minDistributions, maxDistributions},
	}
}

// sizeMaps gives the maps of an object's ledger as many entries as its memory allows on this machine. Rows are per
// possible CPU, and virtual machines often have a hundred times more of those than CPUs.
//
// It tells whether something had to shrink because memory is locked.
func (s *Session) sizeMaps(spec *ebpf.CollectionSpec) (shrunk bool, err error) {
	possible, err := ebpf.PossibleCPU()
	if err != nil {
		return false, fmt.Errorf("count CPUs: %w", err)
	}
	cpus, budget := uint64(possible), cmp.Or(s.MapBytes, defaultMapBytes)
	if s.LockedBytes == 0 {
		sizeMaps(spec, cpus, budget)
		return false, nil
	}
	if owners := spec.Maps[ownersMap]; owners != nil {
		shrunk = shrinkOwners(owners, cpus, s.LockedBytes-min(s.LockedBytes, lockedCgroups))
	}
	if s.LockedBytes >= budget {
		sizeMaps(spec, cpus, budget)
		return shrunk, nil
	}
	return true, lockMaps(spec, cpus, s.LockedBytes)
}

// shrinkOwners leaves a map of owners no larger than so much, where each element counts whether it is there or not.
func shrinkOwners(owners *ebpf.MapSpec, cpus, room uint64) (shrunk bool) {
	for owners.MaxEntries > minOwners && mapMemory(owners, cpus) > room {
		owners.MaxEntries /= 2
		shrunk = true
	}
	return shrunk
}

// lockMaps sizes an object's own maps for memory that is locked.
func lockMaps(spec *ebpf.CollectionSpec, cpus, locked uint64) error {
	shrinkRing(spec, locked)
	sizeMaps(spec, cpus, locked)
	var least uint64
	for name, m := range spec.Maps {
		if !slices.Contains(sharedMaps(), name) {
			least += mapMemory(m, cpus)
		}
	}
	if least > locked {
		return fmt.Errorf("its maps take %d KiB of locked memory at least, and the limit leaves it %d KiB: %s",
			least>>10, locked>>10, lockedRemedy)
	}
	return nil
}

// shrinkRing leaves a ring of an eighth of the memory, a power of two: what it has no room for is lost as a record, and
// counted.
func shrinkRing(spec *ebpf.CollectionSpec, budget uint64) {
	ring := spec.Maps[eventsMap]
	for ring != nil && ring.MaxEntries > minRing && uint64(ring.MaxEntries) > budget/8 {
		ring.MaxEntries /= 2
	}
}

// keepRows leaves out the rows that each CPU keeps, where the program has no use for them, or where they would take more than
// a third of the memory.
func keepRows(spec *ebpf.CollectionSpec, cpus, budget uint64) {
	rows, measures, knob := spec.Maps[rowCacheMap], spec.Maps[measuresCacheMap], spec.Variables[rowsAreKept]
	if rows == nil || measures == nil || knob == nil {
		return
	}
	var kept bool
	if err := knob.Get(&kept); err != nil || kept && mapMemory(rows, cpus)+mapMemory(measures, cpus) <= budget/3 {
		return
	}
	if knob.Set(false) == nil {
		rows.MaxEntries, measures.MaxEntries = 1, 1
	}
}

func sizeMaps(spec *ebpf.CollectionSpec, cpus, budget uint64) {
	keepRows(spec, cpus, budget)
	var fixed uint64
	sized := make(map[string]bool)
	for _, share := range shares() {
		sized[share.name+"0"], sized[share.name+"1"] = true, true
	}
	for name, m := range spec.Maps {
		if !sized[name] && !slices.Contains(sharedMaps(), name) {
			fixed += mapMemory(m, cpus)
		}
	}
	left := budget - min(fixed, budget)
	for _, share := range shares() {
		first := spec.Maps[share.name+"0"]
		if first == nil {
			continue
		}
		room := left * share.percent / 100 / 2
		entries := share.max
		for one := *first; entries > share.min; entries -= entries / 16 {
			one.MaxEntries = entries
			if mapMemory(&one, cpus) <= room {
				break
			}
		}
		for _, half := range []string{"0", "1"} {
			spec.Maps[share.name+half].MaxEntries = max(entries, share.min)
		}
	}
}

// mapMemory is what the kernel takes for a map, to a few percent: kernel/bpf/hashtab.c for hash tables, whose elements
// have a header of 48 bytes and whose buckets one of 16; kernel/bpf/arraymap.c for arrays.
func mapMemory(m *ebpf.MapSpec, cpus uint64) uint64 {
	const element, bucket, pointer, page = 48, 16, 8, 4096
	key, value, entries := align8(m.KeySize), align8(m.ValueSize), uint64(m.MaxEntries)
	table := uint64(bucket) << bits.Len64(entries-1)
	switch m.Type {
	case ebpf.PerCPUHash:
		return table + entries*(element+key+pointer+value*cpus)
	case ebpf.Hash: // and one element more for each CPU
		return table + (entries+cpus)*(element+key+value)
	case ebpf.LRUHash:
		return table + entries*(element+key+value)
	case ebpf.PerCPUArray:
		return entries * (pointer + value*cpus)
	case ebpf.RingBuf: // and the pages for the producer's and the consumer's places
		return entries + 3*page
	default:
		return entries * value
	}
}

func align8(size uint32) uint64 { return (uint64(size) + 7) &^ 7 }

// MapMemory returns what the maps of an object take in the kernel with so many possible CPUs, such rows and the default memory,
// by map. owners, which grow with the sockets, are not among them.
func MapMemory(spec *ebpf.CollectionSpec, cpus int, by RowsBy) map[string]uint64 {
	by.shorten(spec)
	sizeMaps(spec, uint64(cpus), defaultMapBytes)
	all := make(map[string]uint64)
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		if name != ownersMap {
			all[name] = mapMemory(spec.Maps[name], uint64(cpus))
		}
	}
	return all
}
