package bpftest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Steer has the CPUs of a mask handle what arrives on the namespace's loopback (receive packet steering): "0" leaves it
// to the CPU that sends. A CPU that handles what another one sends interrupts what runs there.
func (ns *Namespace) Steer(t testing.TB, cpus string) {
	t.Helper()
	dir := t.TempDir()
	var err error
	ns.Do(func() { err = steer(dir, cpus) })
	if err != nil {
		t.Fatal(err)
	}
}

// steer mounts the sysfs of the namespace for a moment, where only this thread sees it: each network namespace has its
// own.
func steer(dir, cpus string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("leave the mounts to the others: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to itself: %w", err)
	}
	if err := unix.Mount("sysfs", dir, "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mount sysfs: %w", err)
	}
	mask := filepath.Join(dir, "class/net/lo/queues/rx-0/rps_cpus")
	if err := os.WriteFile(mask, []byte(cpus), 0); err != nil {
		return err
	}
	return unix.Unmount(dir, 0)
}
