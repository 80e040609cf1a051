package kernel

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

const (
	rootless = "this is a rootless container or user namespace: capabilities count only in the initial user " +
		"namespace; run kerntap with a rootful engine or on the host"
	initialMap = "         0          0 4294967295\n"
)

func caps(capabilities ...int) uint64 {
	var set uint64
	for _, c := range capabilities {
		set |= 1 << c
	}
	return set
}

func TestMayLoad(t *testing.T) {
	for name, tc := range map[string]struct {
		privileges Privileges
		want       string
	}{
		"root": {Privileges{Effective: 1<<41 - 1, InitialUserNamespace: true}, ""},
		"both as a user": {
			Privileges{UID: 65534, Effective: caps(unix.CAP_BPF, unix.CAP_PERFMON), InitialUserNamespace: true}, ""},
		"CAP_SYS_ADMIN alone": {Privileges{Effective: caps(unix.CAP_SYS_ADMIN), InitialUserNamespace: true}, ""},
		"none as a user": {Privileges{UID: 1000, InitialUserNamespace: true},
			"missing CAP_BPF and CAP_PERFMON: run as root (sudo kerntap …), or in a container add " +
				"cap_add: [BPF, PERFMON] and run as uid 0"},
		"half as a user": {Privileges{UID: 1000, Effective: caps(unix.CAP_BPF), InitialUserNamespace: true},
			"missing CAP_PERFMON: run as root (sudo kerntap …), or in a container add cap_add: [BPF, PERFMON] " +
				"and run as uid 0"},
		"a container's uid 0": {Privileges{Effective: caps(unix.CAP_PERFMON), InitialUserNamespace: true},
			"missing CAP_BPF although uid 0: in a container add cap_add: [BPF, PERFMON] " +
				"(or [SYS_ADMIN] where the engine does not know them)"},
		"all of a nested namespace": {Privileges{Effective: 1<<41 - 1}, rootless},
	} {
		err := tc.privileges.MayLoad()
		if (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
			t.Errorf("%s: %v\nwant %s", name, err, tc.want)
		}
	}
}

func TestHas(t *testing.T) {
	p := Privileges{Effective: caps(unix.CAP_SYSLOG)}
	for capability, want := range map[int]bool{unix.CAP_SYSLOG: true, unix.CAP_BPF: false, -1: false, 64: false} {
		if p.Has(capability) != want {
			t.Errorf("capability %d: %v, want %v", capability, !want, want)
		}
	}
}

func TestReadPrivileges(t *testing.T) {
	root := fstest.MapFS{
		"proc/self/status": {Data: []byte("Name:\tkerntap\nUid:\t1000\t65534\t1000\t1000\nCapInh:\t0000000000000000\n" +
			"CapEff:\t000000c000000000\nNoNewPrivs:\t1\n")},
		"proc/self/uid_map": {Data: []byte(initialMap)},
		"proc/self/limits": {Data: []byte("Limit                     Soft Limit           Hard Limit           Units     \n" +
			"Max locked memory         65536                unlimited            bytes     \n")},
		"sys/kernel/security/lockdown": {Data: []byte("none [integrity] confidentiality\n")},
	}
	want := Privileges{UID: 65534, Effective: caps(unix.CAP_BPF, unix.CAP_PERFMON), NoNewPrivs: true,
		InitialUserNamespace: true, Lockdown: "integrity", MemoryLock: 65536}
	if got, err := ReadPrivileges(root); err != nil || got != want {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}

	for _, name := range []string{"proc/self/uid_map", "proc/self/limits", "sys/kernel/security/lockdown"} {
		delete(root, name)
	}
	want.Lockdown, want.MemoryLock = "", unix.RLIM_INFINITY
	if got, err := ReadPrivileges(root); err != nil || got != want {
		t.Errorf("with the status alone: %+v, %v\nwant %+v", got, err, want)
	}

	delete(root, "proc/self/status")
	if _, err := ReadPrivileges(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the status: %v", err)
	}
}

func TestParseStatusRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "no line Uid",
		"Uid:\t0\t0\t0\t0\n":           "no line CapEff",
		"CapEff:\t0\n":                 "no line Uid",
		"Uid:\t0\t0\n":                 "no line Uid",
		"Uid:\t0\t-1\t0\t0\nCapEff:0":  "invalid syntax",
		"Uid:\t0\t0\t0\t0\nCapEff:\tx": "invalid syntax",
	} {
		if _, err := parseStatus(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestIsInitialUserNamespace(t *testing.T) {
	for uidMap, want := range map[string]bool{
		initialMap:                   true,
		"0 1000 1\n":                 false,
		"0 100000 65536\n":           false,
		"0 0 65536\n":                false,
		"0 1000 1\n1 100000 65536\n": false,
		"0 0 4294967295\n1 1 1\n":    false,
		"":                           false,
	} {
		if isInitialUserNamespace(uidMap) != want {
			t.Errorf("%q: %v, want %v", uidMap, !want, want)
		}
	}
}

func TestParseMemoryLock(t *testing.T) {
	for limits, want := range map[string]uint64{
		"Max locked memory         8388608              8388608              bytes\n":   8388608,
		"Max locked memory         unlimited            unlimited            bytes\n":   unix.RLIM_INFINITY,
		"Max processes             1                    1                    processes": unix.RLIM_INFINITY,
		"Max locked memory": unix.RLIM_INFINITY,
		"":                  unix.RLIM_INFINITY,
	} {
		if got := parseMemoryLock(limits); got != want {
			t.Errorf("%q: %d, want %d", limits, got, want)
		}
	}
}

func TestParseLockdown(t *testing.T) {
	for text, want := range map[string]string{
		"[none] integrity confidentiality\n": "none",
		"none integrity [confidentiality]\n": "confidentiality",
		"none integrity confidentiality":     "",
		"[none":                              "",
		"":                                   "",
	} {
		if got := parseLockdown(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestPrivilegesOfThisProcess(t *testing.T) {
	p, err := ReadPrivileges(os.DirFS("/"))
	if err != nil {
		t.Fatal(err)
	}
	if int(p.UID) != os.Geteuid() {
		t.Errorf("uid %d, want %d", p.UID, os.Geteuid())
	}
}
