package kernel

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
)

// ErrSymbolsHidden is wrapped when the kernel shows its symbols without their addresses: the reader lacks CAP_SYSLOG,
// or kernel.kptr_restrict is 2.
var ErrSymbolsHidden = errors.New("the kernel hides its symbols' addresses " +
	"(CAP_SYSLOG shows them, unless kernel.kptr_restrict is 2)")

const (
	// maxFunction is more than any function of a kernel is long (the longest of Linux 6.18 is 20 KB): a larger gap
	// between two symbols is the end of a section.
	maxFunction = 256 << 10
	// maxTail is how far the last symbol of a section reaches. Its length is unknown, and what follows it may be a
	// module loaded since: 99.5 % of functions are shorter than 2.4 KB, and a longer one rather loses its name.
	maxTail = 4 << 10
)

// nameStride is how many names one mark finds: short enough to step through, long enough for marks to cost nothing.
const nameStride = 16

// Symbols names the code of the running kernel, its modules and its BPF programs as they were when the symbols were
// loaded. It takes little more than 8 bytes and its name a symbol, and is safe for concurrent use.
type Symbols struct {
	// addresses are sorted and distinct.
	addresses []uint64
	// names are lines in the order of the addresses. Name i, for every nameStride-th i, begins at marks[i/nameStride].
	names []byte
	marks []uint32
	// sections are sorted, and every symbol is in one.
	sections []section
}

// section is a run of symbols that one owner has without a gap.
type section struct {
	// first is the index of the first symbol, last the address of the last.
	first int
	last  uint64
	// module is "" for the kernel itself.
	module string
}

// LoadSymbols reads the symbols of code from a file in the format of /proc/kallsyms. It wraps ErrSymbolsHidden if the
// file shows no addresses.
func LoadSymbols(path string) (*Symbols, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open kernel symbols: %w", err)
	}
	defer file.Close()
	table := newSymbolTable(commonRoom)
	if err := table.read(file); err != nil {
		return nil, fmt.Errorf("read kernel symbols %s: %w", path, err)
	}
	return table.symbols(), nil
}

// Locate returns where an address of code is: symbol+0xoffset or symbol+0xoffset [module]. It returns false if no
// symbol is known to reach there, and never shows the address itself.
func (s *Symbols) Locate(address uint64) (string, bool) {
	i, exact := slices.BinarySearch(s.addresses, address)
	if !exact {
		i--
	}
	if i < 0 {
		return "", false
	}
	section := s.sectionOf(i)
	if address > section.last && address-section.last >= maxTail {
		return "", false
	}
	text := make([]byte, 0, 128)
	text = append(text, s.name(i)...)
	text = append(text, "+0x"...)
	text = strconv.AppendUint(text, address-s.addresses[i], 16)
	if section.module != "" {
		text = append(append(append(text, " ["...), section.module...), ']')
	}
	return string(text), true
}

// Len returns how many symbols are known.
func (s *Symbols) Len() int { return len(s.addresses) }

func (s *Symbols) sectionOf(i int) section {
	at, exact := slices.BinarySearchFunc(s.sections, i, func(x section, i int) int { return cmp.Compare(x.first, i) })
	if !exact {
		at--
	}
	return s.sections[at]
}

func (s *Symbols) name(i int) []byte {
	names := s.names[s.marks[i/nameStride]:]
	for range i % nameStride {
		names = names[bytes.IndexByte(names, '\n')+1:]
	}
	return names[:bytes.IndexByte(names, '\n')]
}
