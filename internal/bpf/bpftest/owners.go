package bpftest

import (
	"io"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// OwnedSockets counts the sockets of which a program keeps the owner.
func OwnedSockets(t testing.TB) uint64 {
	t.Helper()
	owners := ownersMap()
	if owners == nil {
		t.Fatal("no program keeps owners")
	}
	defer owners.Close()
	count, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer count.Close()
	iterator, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "count_owners", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceIter, AttachTo: "bpf_sk_storage_map",
		License:      "GPL",
		Instructions: counting(count),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer iterator.Close()
	iterate, err := link.AttachIter(link.IterOptions{Program: iterator, Map: owners})
	if err != nil {
		t.Fatal(err)
	}
	defer iterate.Close()
	reader, err := iterate.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := io.Copy(io.Discard, reader); err != nil {
		t.Fatal(err)
	}
	var n uint64
	if err := count.Lookup(uint32(0), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// ownersMap returns the map of some program that keeps owners, nil where there is none.
func ownersMap() *ebpf.Map {
	for id := ebpf.MapID(0); ; {
		next, err := ebpf.MapGetNextID(id)
		if err != nil {
			return nil
		}
		id = next
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue
		}
		if info, err := m.Info(); err == nil && info.Name == "owners" {
			return m
		}
		m.Close()
	}
}
