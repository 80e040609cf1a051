package bpftest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

// cookieAt is where struct socket_owner of bpf/include/owner.h has the socket's cookie.
const cookieAt = 72

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
		cookies = append(cookies, binary.NativeEndian.Uint64(owner[cookieAt:]))
	}
	if err := walk.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) { // sockets came and went meanwhile
		t.Fatal(err)
	}
	return cookies
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
