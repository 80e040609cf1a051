package kernel

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"math"
	"slices"
)

// symbol is one line of /proc/kallsyms. Its names alias the line.
type symbol struct {
	address      uint64
	name, module []byte
}

// parseSymbol reads one line: address in hexadecimal digits, type, name and, for what is not the kernel's own, a tab
// and [module]. It returns false for what is not a symbol of code.
func parseSymbol(line []byte) (symbol, bool) {
	digits, rest, _ := bytes.Cut(line, []byte{' '})
	address, ok := parseAddress(digits)
	if !ok || len(rest) < 3 || rest[1] != ' ' || !isCode(rest[0]) {
		return symbol{}, false
	}
	name, module, _ := bytes.Cut(rest[2:], []byte{'\t'})
	if len(module) > 0 {
		if len(module) < 3 || module[0] != '[' || module[len(module)-1] != ']' {
			return symbol{}, false
		}
		module = module[1 : len(module)-1]
	}
	if len(name) == 0 || isMarker(name) {
		return symbol{}, false
	}
	return symbol{address, name, module}, true
}

func parseAddress(digits []byte) (uint64, bool) {
	if len(digits) == 0 || len(digits) > 16 {
		return 0, false
	}
	var address uint64
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		address = address<<4 | uint64(c)
	}
	return address, true
}

// isCode tells whether a type letter is that of code: global, local or weak.
func isCode(kind byte) bool { return kind == 't' || kind == 'T' || kind == 'w' || kind == 'W' }

// isMarker tells whether a name marks no function: the padding before one (__pfx_ and __cfi_, half of all symbols on
// kernels that have it, and never a return address) and the mapping symbols of assemblers ($x, .Lx).
func isMarker(name []byte) bool {
	switch name[0] {
	case '_':
		return bytes.HasPrefix(name, []byte("__pfx_")) || bytes.HasPrefix(name, []byte("__cfi_"))
	case '.':
		return bytes.HasPrefix(name, []byte(".L"))
	default:
		return name[0] == '$'
	}
}

const (
	// commonRoom is how many symbols of code a common kernel has. Starting with that much room leaves no garbage of
	// many times the table's size.
	commonRoom = 96 << 10
	// averageName is how long names are on average, or a little less.
	averageName = 32
)

// symbolTable collects symbols in the order of the file.
type symbolTable struct {
	entries []symbolEntry
	names   []byte
	modules []string
	numbers map[string]uint16
}

// symbolEntry is a symbol whose name is at offset in the table's names and whose module has the number owner.
type symbolEntry struct {
	address uint64
	offset  uint32
	owner   uint16
}

// newSymbolTable returns an empty table with room for so many symbols.
func newSymbolTable(room int) *symbolTable {
	return &symbolTable{
		entries: make([]symbolEntry, 0, room),
		names:   make([]byte, 0, room*averageName),
		modules: []string{""},
		numbers: map[string]uint16{"": 0},
	}
}

// read adds all lines that are symbols of code.
func (t *symbolTable) read(r io.Reader) error {
	hidden := false
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		s, ok := parseSymbol(lines.Bytes())
		if !ok {
			continue
		}
		if s.address == 0 {
			hidden = true
			continue
		}
		if err := t.add(s); err != nil {
			return err
		}
	}
	switch {
	case lines.Err() != nil:
		return lines.Err()
	case len(t.entries) > 0:
		return nil
	case hidden:
		return ErrSymbolsHidden
	default:
		return errors.New("no symbols of code in it")
	}
}

func (t *symbolTable) add(s symbol) error {
	// Of several names for one address the kernel lists the real one first; it names traces by that one too.
	if n := len(t.entries); n > 0 && t.entries[n-1].address == s.address {
		return nil
	}
	if uint64(len(t.names)+len(s.name)) >= math.MaxUint32 {
		return errors.New("more names than 4 GB")
	}
	owner, known := t.numbers[string(s.module)]
	if !known {
		if len(t.modules) > math.MaxUint16 {
			return errors.New("more than 65,535 modules")
		}
		owner = uint16(len(t.modules))
		module := string(s.module)
		t.modules = append(t.modules, module)
		t.numbers[module] = owner
	}
	t.entries = append(t.entries, symbolEntry{s.address, uint32(len(t.names)), owner})
	t.names = append(append(t.names, s.name...), '\n')
	return nil
}

// symbols sorts the table and keeps no more memory than its symbols need.
func (t *symbolTable) symbols() *Symbols {
	byAddress := func(a, b symbolEntry) int { return cmp.Compare(a.address, b.address) }
	slices.SortStableFunc(t.entries, byAddress)
	t.entries = slices.CompactFunc(t.entries, func(a, b symbolEntry) bool { return a.address == b.address })
	s := &Symbols{
		addresses: make([]uint64, len(t.entries)),
		marks:     make([]uint32, 0, len(t.entries)/nameStride+1),
		names:     make([]byte, 0, len(t.names)),
	}
	for i, entry := range t.entries {
		if i%nameStride == 0 {
			s.marks = append(s.marks, uint32(len(s.names)))
		}
		name := t.names[entry.offset:]
		s.names = append(s.names, name[:bytes.IndexByte(name, '\n')+1]...)
		s.addresses[i] = entry.address
		if i == 0 || entry.owner != t.entries[i-1].owner || entry.address-t.entries[i-1].address > maxFunction {
			s.sections = append(s.sections, section{first: i, module: t.modules[entry.owner]})
		}
		s.sections[len(s.sections)-1].last = entry.address
	}
	return s
}
