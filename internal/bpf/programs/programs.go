// Package programs lists the programs that kerntap runs. A new program is one line here.
package programs

import (
	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/bpf/programs/tcp_trouble"
)

// New builds a program as settings configure it; it has not touched the kernel yet. It fails on settings that the
// program does not know or allow, with one line that names the key.
type New func(settings bpf.Settings, storage bpf.EventStorage, options ...bpf.Option) (*bpf.Program, error)

// Entry is one program of the list.
type Entry struct {
	Name string
	New  New
}

// All returns every program that kerntap has, in the order in which they are loaded.
func All() []Entry {
	return []Entry{
		{connection.Name, connection.New},
		{packet_drop.Name, packet_drop.New},
		{tcp_trouble.Name, tcp_trouble.New},
	}
}
