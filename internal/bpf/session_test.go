package bpf_test

import (
	"net"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
)

func TestASessionThatOwnsNothingHasNothingToRelease(t *testing.T) {
	session := bpf.NewSession(nil)
	for range 2 {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestASocketIsDisregardedOnlyWhereOwnersAreKept(t *testing.T) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := bpf.NewSession(nil).Disregard(listener); err != nil {
		t.Errorf("before any program is loaded: %v", err)
	}
}
