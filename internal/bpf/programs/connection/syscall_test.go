package connection_test

import (
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

// startBySyscalls starts the program as it is where it cannot attach to functions, with sync_failures: syscalls.
func startBySyscalls(t *testing.T) *bpftest.Recorder {
	t.Helper()
	session := bpf.NewSession(nil)
	session.SyncFailures = bpf.SyncSyscalls
	t.Cleanup(func() { session.Close() })
	return bpftest.Start(t, connection.NewWithoutFunctions(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
}

// startWithoutFunctions starts the program as it is where it cannot attach to functions.
func startWithoutFunctions(t *testing.T) *bpftest.Recorder {
	t.Helper()
	return bpftest.Start(t, connection.NewWithoutFunctions(bpf.NewInMemoryStorage()))
}
