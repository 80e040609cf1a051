package bpftest

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// OwnedSockets counts the sockets of which a program keeps the owner. To be called where few sockets come and go: the
// kernel's walk does not expect an element to be freed under it (bpf_sk_storage_map_seq_show, which Linux 7.2 was seen to
// die in under load), which is why nothing but a test walks it.
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

// ownersMap returns the map in which a program of this process keeps owners, nil where there is none: other tests run
// beside this one.
func ownersMap() *ebpf.Map {
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
		if info, err := m.Info(); err == nil && info.Name == "owners" {
			return m
		}
		m.Close()
	}
	return nil
}
