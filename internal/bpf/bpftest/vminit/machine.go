package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// filesystem is one that the machine needs.
type filesystem struct {
	kind, at string
	optional bool // some kernels are built without it
}

var devices = filesystem{kind: "devtmpfs", at: "/dev"}

// /tmp stays in the root, which is in memory: tests give their helpers names by linking their own binary there.
var mounts = []filesystem{
	{kind: "devpts", at: "/dev/pts"},
	{kind: "proc", at: "/proc"},
	{kind: "sysfs", at: "/sys"},
	{kind: "securityfs", at: "/sys/kernel/security", optional: true},
	{kind: "tracefs", at: "/sys/kernel/tracing", optional: true}, // refused in lockdown
	{kind: "bpf", at: "/sys/fs/bpf"},
	{kind: "cgroup2", at: "/sys/fs/cgroup"},
}

func mount(fs filesystem) error {
	if err := os.MkdirAll(fs.at, 0o755); err != nil && !fs.optional {
		return fmt.Errorf("mount %s: %w", fs.kind, err)
	}
	err := unix.Mount(fs.kind, fs.at, fs.kind, 0, "")
	if err == nil || errors.Is(err, unix.EBUSY) || fs.optional {
		return nil
	}
	return fmt.Errorf("mount %s on %s: %w", fs.kind, fs.at, err)
}

// modulesDir holds modules and a file that lists them, each after those that it needs.
const modulesDir = "/modules"

// loadModules loads the modules of a folder and returns how many there are.
func loadModules(dir string) (int, error) {
	order, err := os.Open(filepath.Join(dir, "order"))
	if err != nil {
		return 0, fmt.Errorf("list modules: %w", err)
	}
	defer order.Close()
	n := 0
	for lines := bufio.NewScanner(order); lines.Scan(); n++ {
		if err := loadModule(filepath.Join(dir, lines.Text())); err != nil {
			return n, fmt.Errorf("load module %s: %w", lines.Text(), err)
		}
	}
	return n, nil
}

func loadModule(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	err = unix.FinitModule(int(file.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) { // loaded already, or for another processor
		return nil
	}
	return err
}

// loopbackUp sets the loopback interface of the initial network namespace up.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

func release() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err.Error()
	}
	return unix.ByteSliceToString(name.Release[:])
}

// lockdown returns the kernel's lockdown mode as it is in force.
func lockdown() string {
	modes, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return "none"
	}
	return chosen(string(modes))
}

// chosen returns the one of several words that stands in brackets.
func chosen(words string) string {
	_, rest, _ := strings.Cut(words, "[")
	word, _, found := strings.Cut(rest, "]")
	if !found {
		return "none"
	}
	return word
}
