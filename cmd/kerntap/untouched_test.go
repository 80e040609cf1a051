package main

import (
	"net"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// touches tells whether anybody loaded a program into the kernel while do ran: the numbers of programs go up.
func touches(t *testing.T, do func()) bool {
	t.Helper()
	number := func() ebpf.ProgramID {
		program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter,
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		info, err := program.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		return id
	}
	before := number()
	do()
	return number() != before+1
}

func TestATakenAddressIsRefusedBeforeTheKernelIsTouched(t *testing.T) {
	bpftest.Require(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, address := range []string{taken.Addr().String(), "unix:///proc/kerntap.sock"} {
		var code int
		var stdout, stderr string
		// Others may load programs in the same moment, but not each time.
		bpftest.Until(t, "the kernel is not touched", func() bool {
			return !touches(t, func() { code, stdout, stderr = invoke(t, "run", "--listen", address) })
		})
		if code != exitFailed || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, address) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", address, code, stdout, stderr)
		}
	}
}
