package bpftest

import (
	"net"
	"testing"
	"time"
)

// longest is longer than anything takes that a test waits for, on a busy machine too.
const longest = 60 * time.Second

// Until returns once something is so, and ends the test if that does not come true within a minute.
func Until(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.After(longest)
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for !so() {
		select {
		case <-retry.C:
		case <-deadline:
			t.Fatal("this did not come true: " + what)
		}
	}
}

// FreeAddress returns a TCP address of this host at which nothing listens now.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
