// Package bpftest helps to test programs against the running kernel, and storages against their contract.
//
// Tests cause real events in a network namespace of their own and wait for exactly those.
package bpftest

import (
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"

	"github.com/kerntap/kerntap/internal/kernel"
)

// raiseMemoryLock makes room for maps, once, before anything makes one.
var raiseMemoryLock = sync.OnceValues(kernel.RaiseMemoryLock)

// Require skips the test where programs may not be loaded, and fails it where REQUIRE_BPF is set.
func Require(t testing.TB) {
	t.Helper()
	if _, err := raiseMemoryLock(); err != nil {
		t.Fatal(err)
	}
	if err := features.HaveMapType(ebpf.RingBuf); err != nil {
		Missing(t, "needs CAP_BPF and CAP_PERFMON: "+err.Error())
	}
}

// RequireFeature skips the test where the running kernel does not give what a reduction is about. That is not for want of
// privileges: Require is to be called before.
func RequireFeature(t testing.TB, feature kernel.Reduction) {
	t.Helper()
	Require(t)
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	if lost := feature.Lost(types); lost != nil {
		t.Skipf("this kernel does not give %s: %v", feature.Loses, lost)
	}
}

// RequireTool skips the test where a command is not installed, and fails it where REQUIRE_BPF is set.
func RequireTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Missing(t, "needs "+name+": "+err.Error())
	}
}

// Missing skips the test for what it says that this machine lacks, and fails it where REQUIRE_BPF is set.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_BPF") != "" {
		t.Fatal("REQUIRE_BPF is set, and this test " + why)
	}
	t.Skip(why)
}
