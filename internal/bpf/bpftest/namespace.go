package bpftest

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace that belongs to one test. It has a loopback interface that is up.
type Namespace struct {
	// Inode is the number that events carry.
	Inode uint32

	work chan func()
}

// NewNamespace creates a namespace that lives until the test ends. It skips or fails the test without privileges.
func NewNamespace(t testing.TB) *Namespace {
	t.Helper()
	Require(t)
	ns := &Namespace{work: make(chan func())}
	ready := make(chan error)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ns.serve(ready)
	}()
	if err := <-ready; err != nil {
		<-ended
		Missing(t, "needs a network namespace: "+err.Error())
	}
	t.Cleanup(func() {
		close(ns.work)
		<-ended
	})
	return ns
}

// serve owns the thread that lives in the namespace. The thread is never handed back: it ends with its goroutine.
func (ns *Namespace) serve(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The first thread stands for the whole process in /proc: it stays where it is, and held so that another is used.
		defer runtime.UnlockOSThread()
		served := make(chan struct{})
		go func() {
			defer close(served)
			ns.serve(ready)
		}()
		<-served
		return
	}
	handle, err := netns.New()
	if err != nil {
		ready <- err
		return
	}
	defer handle.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(handle), &stat); err != nil {
		ready <- err
		return
	}
	ns.Inode = uint32(stat.Ino)
	loopback, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(loopback)
	}
	ready <- err
	if err != nil {
		return
	}
	for do := range ns.work {
		do()
	}
}

// Do runs do on a thread inside the namespace: sockets that it creates and commands that it starts live there.
func (ns *Namespace) Do(do func()) {
	done := make(chan struct{})
	ns.work <- func() {
		defer close(done)
		do()
	}
	<-done
}

// Run runs a command inside the namespace and fails the test if the command fails.
func (ns *Namespace) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var out []byte
	var err error
	ns.Do(func() { out, err = exec.Command(name, args...).CombinedOutput() })
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Firewall loads an nftables script inside the namespace.
func (ns *Namespace) Firewall(t testing.TB, script string) {
	t.Helper()
	RequireTool(t, "nft")
	ns.Run(t, "nft", script)
}
