// Package file_change is the example of examples/add-a-program: it reports which process changes files and
// directories, and on what kind of file system.
package file_change

import (
	"fmt"
	"unsafe"

	"github.com/kerntap/kerntap/internal/bpf"
)

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Wpadded -Werror" fileChange bpf/file_change.bpf.c -- -I../../bpf/include

// Name is the program's name and the type of its events.
const Name = "file_change"

// New returns the program. It has no settings of its own: any key is refused.
func New(settings bpf.Settings, storage bpf.EventStorage, options ...bpf.Option) (*bpf.Program, error) {
	if err := settings.Decode(&struct{}{}); err != nil {
		return nil, err
	}
	return bpf.NewProgram(bpf.Spec{
		Name:        Name,
		Description: "files and directories that a process changes",
		ObjectPath:  "examples/add-a-program/bpf/file_change.bpf.c",
		Object:      loadFileChange,
		Decode:      decode,
		Row:         row,
		Kind:        func(uint32) []byte { return make([]byte, unsafe.Sizeof(fileChangeFileChangeRow{})) },
	}, storage, options...), nil
}

func decode(base bpf.BaseEvent, sample []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[fileChangeFileChangeEvent](sample)
	if err != nil {
		return nil, fmt.Errorf("file change: %w", err)
	}
	return &Event{BaseEvent: base, Inode: wire.Inode, FileSystem: bpf.Text(wire.Filesystem[:])}, nil
}

func row(counted bpf.RowTally, key []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[fileChangeFileChangeRow](key)
	if err != nil {
		return nil, fmt.Errorf("file change row: %w", err)
	}
	return &Tally{RowTally: counted, FileSystem: bpf.Text(wire.Filesystem[:])}, nil
}
