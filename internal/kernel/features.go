package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"
)

// btfPath is where the kernel shows its own type information.
const btfPath = "/sys/kernel/btf/vmlinux"

// Features are what the running kernel offers to BPF programs, as far as this process may see. An error of nil means
// available; one that is ebpf.ErrNotSupported means that the kernel lacks it; any other says why it could not be
// found out, most often that privileges are missing.
//
// Tracing programs are not among them: their probe answers EPERM on kernels that refuse trampolines and load tp_btf
// programs all the same. Loading the program is the only sound test.
type Features struct {
	// Release is the kernel's release as uname tells it, Arch the architecture as Go (and host.arch) spells it.
	Release, Arch string
	// BTF is about the kernel's description of its own types, without which no program can be fitted to it.
	BTF error
	// RingBuffer is about the map type that carries records to user space (Linux 5.8).
	RingBuffer error
	// SocketStorage is about the map type that ties an owner to a socket (Linux 5.2). Whether tracing programs may
	// use it (5.11) shows when they load.
	SocketStorage error
	// PossibleCPUs is how many CPUs the kernel has room for, on which the size of per-CPU maps depends; 0 if unknown.
	PossibleCPUs int
}

// Probe asks the running kernel. It creates a few empty maps and closes them again. The answers about maps are cached
// by cilium/ebpf for the life of the process and do not follow a change of privileges.
func Probe() Features {
	f := Features{
		Release:       release(),
		Arch:          runtime.GOARCH,
		BTF:           probeBTF(btfPath),
		RingBuffer:    features.HaveMapType(ebpf.RingBuf),
		SocketStorage: features.HaveMapType(ebpf.SkStorage),
	}
	if n, err := ebpf.PossibleCPU(); err == nil {
		f.PossibleCPUs = n
	}
	return f
}

// Usable returns nil if programs can be tried, else one line that says what the kernel or the process lacks.
func (f Features) Usable() error {
	switch {
	case f.BTF != nil:
		return f.BTF
	case errors.Is(f.RingBuffer, ebpf.ErrNotSupported):
		return fmt.Errorf("kernel %s has no BPF ring buffer (Linux 5.8 or newer has): %w", f.Release, f.RingBuffer)
	case f.RingBuffer != nil:
		return fmt.Errorf("probe the BPF ring buffer: %w", f.RingBuffer)
	}
	return nil
}

// probeBTF reads no more than the magic number: parsing all types takes megabytes and is left to those who need them.
func probeBTF(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no %s: the kernel was built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted here: %w",
			path, ebpf.ErrNotSupported)
	} else if err != nil {
		return fmt.Errorf("read the kernel's BTF: %w", err)
	}
	defer file.Close()
	var magic [2]byte
	if _, err := io.ReadFull(file, magic[:]); err != nil {
		return fmt.Errorf("read the kernel's BTF %s: %w", path, err)
	}
	// 0xEB9F in the byte order of the machine (include/uapi/linux/btf.h).
	if magic != [2]byte{0x9f, 0xeb} && magic != [2]byte{0xeb, 0x9f} {
		return fmt.Errorf("read the kernel's BTF: %s does not begin with BTF's magic number", path)
	}
	return nil
}

// release returns the kernel's release, and "" if uname fails.
func release() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return ""
	}
	text, _, _ := bytes.Cut(name.Release[:], []byte{0})
	return string(text)
}
