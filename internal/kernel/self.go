package kernel

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf/link"
)

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Wpadded -Werror" self ../../bpf/self.bpf.c -- -I../../bpf/include

// SelfPID returns this process's id in the initial pid namespace, as the kernel numbers it. Inside a container that
// is not what getpid answers. It needs the privileges that load any program.
func SelfPID() (uint32, error) {
	var objects selfObjects
	if err := loadSelfObjects(&objects, nil); err != nil {
		return 0, fmt.Errorf("load iterator: %w", err)
	}
	pid, err := readSelf(&objects)
	if closeErr := objects.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close iterator: %w", closeErr))
	}
	return pid, err
}

func readSelf(objects *selfObjects) (uint32, error) {
	iter, err := link.AttachIter(link.IterOptions{Program: objects.SelfRead, Map: objects.Elements})
	if err != nil {
		return 0, fmt.Errorf("attach iterator: %w", err)
	}
	defer iter.Close()
	file, err := iter.Open()
	if err != nil {
		return 0, fmt.Errorf("open iterator: %w", err)
	}
	defer file.Close()
	if _, err := io.Copy(io.Discard, file); err != nil {
		return 0, fmt.Errorf("read iterator: %w", err)
	}
	var pid uint32
	if err := objects.ReaderTgid.Get(&pid); err != nil {
		return 0, fmt.Errorf("read iterator's result: %w", err)
	}
	return pid, nil
}
