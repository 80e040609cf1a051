package api

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func mustListen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func TestListenErrorsSayWhatWhereAndWhatWouldBeRight(t *testing.T) {
	dir := t.TempDir()
	file, taken := filepath.Join(dir, "file"), mustListen(t, "127.0.0.1:0").Addr().String()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := "unix://" + filepath.Join(dir, "live")
	mustListen(t, socket)
	const right = "give --listen host:port, such as 127.0.0.1:4319, or unix:///path"
	const inUse = "address already in use: another program (perhaps another kerntap) has it; choose another with --listen"
	long := "unix:///" + strings.Repeat("x", maxSocketPath)
	for address, want := range map[string]string{
		taken:  inUse,
		socket: inUse,
		"192.0.2.1:4319": "cannot assign requested address: " +
			"no interface here has that address; choose another with --listen",
		"127.0.0.1:99999":     "address 99999: invalid port: choose an address of this machine with --listen",
		"":                    "missing port in address: " + right,
		"8080":                "missing port in address: " + right,
		"127.0.0.1:":          "no port: " + right,
		"::1:4319":            "too many colons in address: " + right,
		"unix://kerntap.sock": "path is not absolute: " + right,
		"unix://":             "path is not absolute: " + right,
		long:                  "path is longer than 107 bytes: " + right,
		"unix://" + dir + "/a/s": "no such file or directory: " +
			"directory " + dir + "/a does not exist; create it or choose another with --listen",
		"unix://" + file: "path is taken by something that is not a socket: " +
			"it was left alone; remove it or choose another path with --listen",
		"unix://" + file + "/s": "not a directory: choose another path with --listen",
	} {
		listener, err := Listen(address)
		if err == nil {
			_ = listener.Close()
			t.Errorf("listen %s: no error", address)
		} else if want = "listen " + address + ": " + want; err.Error() != want {
			t.Errorf("error\n%s\nwant\n%s", err, want)
		}
	}
}

func TestListenProbeNamesItsOwnFlag(t *testing.T) {
	taken := mustListen(t, "127.0.0.1:0").Addr().String()
	_, err := ListenProbe(taken)
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.HasSuffix(err.Error(), "choose another with --probe-listen") {
		t.Errorf("taken address: %v", err)
	}
}

// Who runs these tests may be root, to whom no directory is closed and no port refused.
func TestAdviceForWhatRootDoesNotMeet(t *testing.T) {
	for _, test := range []struct {
		network string
		err     error
		want    string
	}{
		{"tcp", syscall.EACCES, "low ports need CAP_NET_BIND_SERVICE; choose a port from 1024 on"},
		{"unix", syscall.EACCES, "this user may not write to directory /run; change its owner or choose another"},
		{"unix", syscall.EROFS,
			"directory /run is on a read-only file system; mount a volume there or choose another"},
	} {
		failed := &net.OpError{Op: "listen", Net: test.network, Err: os.NewSyscallError("bind", test.err)}
		if got := advice(test.network, "/run/kerntap.sock", failed); got != test.want {
			t.Errorf("%s %v: %q, want %q", test.network, test.err, got, test.want)
		}
		if got := cause(failed); got != test.err {
			t.Errorf("cause of %q is %q, want %q", failed, got, test.err)
		}
	}
}

func TestSocketIsForOwnerAndGroupAndRemovedAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener := mustListen(t, "unix://"+path)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Fatalf("socket %v, %v, want mode 0660", info, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(fakeOptions()).Serve(ctx, listener); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end the socket is still there (%v)", err)
	}
}

// deadSocket leaves at path what a killed process leaves.
func deadSocket(t *testing.T, path string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSocketOfADeadProcessIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	deadSocket(t, path)
	mustListen(t, "unix://"+path)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestSocketOfALivingProcessIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	stream := filepath.Join(dir, "stream")
	mustListen(t, "unix://"+stream)
	datagram := filepath.Join(dir, "datagram")
	other, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: datagram, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	link := filepath.Join(dir, "link")
	deadSocket(t, filepath.Join(dir, "dead"))
	if err := os.Symlink("dead", link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		stream:   "address already in use: another program",
		datagram: "path is taken by a socket that is in use (protocol wrong type for socket): it was left alone",
		link:     "path is taken by something that is not a socket: it was left alone",
	} {
		listener, err := Listen("unix://" + path)
		if err == nil {
			_ = listener.Close()
			t.Errorf("%s was replaced", path)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
}
