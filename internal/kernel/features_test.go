package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func TestProbeBTF(t *testing.T) {
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "vmlinux")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tc := range map[string]struct{ path, want string }{
		"little endian": {write("\x9f\xeb\x01\x00"), ""},
		"big endian":    {write("\xeb\x9f\x01\x00"), ""},
		"absent":        {filepath.Join(t.TempDir(), "vmlinux"), "CONFIG_DEBUG_INFO_BTF"},
		"empty":         {write(""), "EOF"},
		"cut":           {write("\x9f"), "unexpected EOF"},
		"another file":  {write("\x7fELF"), "magic number"},
		"a folder":      {t.TempDir(), "is a directory"},
	} {
		err := probeBTF(tc.path)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestUsable(t *testing.T) {
	failure := errors.New("the reason")
	for name, tc := range map[string]struct {
		features Features
		want     string
	}{
		"everything":        {Features{}, ""},
		"no socket storage": {Features{SocketStorage: ebpf.ErrNotSupported}, ""},
		"no BTF":            {Features{BTF: failure, RingBuffer: ebpf.ErrNotSupported}, "the reason"},
		"old kernel": {Features{Release: "5.4.0", RingBuffer: ebpf.ErrNotSupported},
			"kernel 5.4.0 has no BPF ring buffer (Linux 5.8 or newer has): not supported"},
		"not allowed": {Features{RingBuffer: unix.EPERM}, "probe the BPF ring buffer: operation not permitted"},
	} {
		err := tc.features.Usable()
		if (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestProbeThisKernel(t *testing.T) {
	f := Probe()
	if f.Release == "" || f.Arch == "" || f.PossibleCPUs < 1 {
		t.Errorf("probe left out facts that every kernel tells: %+v", f)
	}
	privileges, err := ReadPrivileges(os.DirFS("/"))
	if err != nil {
		t.Fatal(err)
	}
	if reason := privileges.MayLoad(); reason != nil {
		missing(t, "to probe map types: "+reason.Error())
	}
	if f.RingBuffer != nil && !errors.Is(f.RingBuffer, ebpf.ErrNotSupported) {
		t.Errorf("the ring buffer's probe is inconclusive: %v", f.RingBuffer)
	}
}
