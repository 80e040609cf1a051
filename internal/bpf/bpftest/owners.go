package bpftest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

// Where struct socket_owner of bpf/include/owner.h has the owner's command, the socket's cookie above the bits of its phase, of
// which phaseFree is the first of sockets that are gone, and how the owner is known.
const (
	commandAt, lifeAt, attributionAt = 88, 0, 50
	phaseBits, phaseFree             = 4, 6
)

// OwnedSockets returns the cookies of the sockets of which a program of this process keeps the owner. Others on this
// machine have sockets too.
func OwnedSockets(t testing.TB) []uint64 {
	t.Helper()
	owners := ownersMap()
	if owners == nil {
		t.Fatal("no program keeps owners")
	}
	defer owners.Close()
	var cookies []uint64
	var address uint64
	var owner []byte
	walk := owners.Iterate()
	for walk.Next(&address, &owner) {
		cookies = append(cookies, binary.NativeEndian.Uint64(owner[lifeAt:])>>phaseBits)
	}
	if err := walk.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) { // sockets came and went meanwhile
		t.Fatal(err)
	}
	return cookies
}

// LoseSockets makes what a program of this process keeps of a command's sockets speak of sockets that are gone, as if the
// kernel had skipped every program at their end: their addresses are those of instead's sockets now, which are not known
// any more, or nobody's if that is "".
func LoseSockets(t testing.TB, command, instead string) {
	t.Helper()
	owners := ownersMap()
	if owners == nil {
		t.Fatal("no program keeps owners")
	}
	defer owners.Close()
	kept, others := keptOf(t, owners, command), []uint64{8, 16} // the first page is never mapped
	if instead != "" {
		others = slices.Collect(maps.Keys(keptOf(t, owners, instead)))
	}
	if len(kept) == 0 || len(kept) > len(others) {
		t.Fatalf("%d sockets of %s are known, and %d addresses", len(kept), command, len(others))
	}
	for address, owner := range kept {
		if err := errors.Join(owners.Put(others[0], owner), owners.Delete(address)); err != nil {
			t.Fatal(err)
		}
		others = others[1:]
	}
}

// ForgetAccepted makes a program of this process keep nothing of the connections that a command accepted, as if the kernel
// had skipped it so far.
func ForgetAccepted(t testing.TB, command string) {
	t.Helper()
	owners := ownersMap()
	if owners == nil {
		t.Fatal("no program keeps owners")
	}
	defer owners.Close()
	forgotten := 0
	for address, owner := range keptOf(t, owners, command) {
		if owner[attributionAt] == 0 { // it called connect or listen
			continue
		}
		if err := owners.Delete(address); err != nil {
			t.Fatal(err)
		}
		forgotten++
	}
	if forgotten == 0 {
		t.Fatalf("no connection of %s is known", command)
	}
}

// CachedEvents returns how many events the CPUs have counted in rows that they keep of a program of this process, see
// bpf/include/row_cache.h, since its ledger was turned.
func CachedEvents(t testing.TB) (n uint64) {
	t.Helper()
	cache := ownMap("row_cache")
	if cache == nil {
		t.Fatal("no program keeps rows")
	}
	defer cache.Close()
	for key := range cache.MaxEntries() {
		var perCPU [][]byte
		if err := cache.Lookup(key, &perCPU); err != nil {
			t.Fatal(err)
		}
		for _, row := range perCPU {
			n += binary.NativeEndian.Uint64(row)
		}
	}
	return n
}

// keptOf returns what is kept of a command's sockets, by their addresses.
func keptOf(t testing.TB, owners *ebpf.Map, command string) map[uint64][]byte {
	t.Helper()
	const attempts = 10
	for range attempts {
		kept := make(map[uint64][]byte)
		var address uint64
		var owner []byte
		walk := owners.Iterate()
		for ; walk.Next(&address, &owner); owner = nil {
			phase := binary.NativeEndian.Uint64(owner[lifeAt:]) & (1<<phaseBits - 1)
			if bytes.HasPrefix(owner[commandAt:], []byte(command+"\x00")) && phase < phaseFree {
				kept[address] = owner
			}
		}
		if walk.Err() == nil {
			return kept
		}
	}
	t.Fatalf("in none of %d attempts the sockets stayed the same", attempts)
	return nil
}

// ownersMap returns the map in which a program of this process keeps owners, nil where there is none.
func ownersMap() *ebpf.Map { return ownMap("owners") }

// ownMap returns a map of a program of this process, nil where there is none: other tests run beside this one.
func ownMap(name string) *ebpf.Map {
	descriptors, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		return nil
	}
	for _, descriptor := range descriptors {
		info, err := os.ReadFile("/proc/self/fdinfo/" + descriptor.Name())
		if err != nil {
			continue
		}
		var id ebpf.MapID
		for line := range strings.Lines(string(info)) {
			fmt.Sscanf(line, "map_id:\t%d", &id)
		}
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue
		}
		if info, err := m.Info(); err == nil && info.Name == name {
			return m
		}
		m.Close()
	}
	return nil
}
