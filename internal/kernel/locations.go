package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

const modulesPath = "/proc/modules"

// Locations names places in the kernel's code as Symbols does, and those in modules that are loaded later too. It keeps
// the files open that it has read the first time: what they show depends on the privileges of whoever opened them, so
// that dropping privileges takes nothing away. It is safe for concurrent use.
type Locations struct {
	mu      sync.Mutex
	symbols *Symbols
	kallsyms,
	modules *os.File
	loaded []byte // the modules when symbols were read
}

// OpenLocations reads the symbols of the running kernel. It wraps ErrSymbolsHidden if they are not shown. The files are
// closed when nothing refers to the result any more.
func OpenLocations() (*Locations, error) { return openLocations(symbolsPath, modulesPath) }

func openLocations(symbols, modules string) (*Locations, error) {
	l := new(Locations)
	var err error
	if l.kallsyms, err = os.Open(symbols); err != nil {
		return nil, fmt.Errorf("open kernel symbols: %w", err)
	}
	// A kernel without modules has no such file, and nothing is loaded into it later.
	if l.modules, err = os.Open(modules); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("open the list of modules: %w", err), l.kallsyms.Close())
	}
	l.loaded, _ = l.readModules()
	if err := l.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("read kernel symbols %s: %w", symbols, err), l.close())
	}
	return l, nil
}

// Locate returns where an address of code is: symbol+0xoffset or symbol+0xoffset [module]. It returns false if no symbol
// is known to reach there, and never shows the address itself.
func (l *Locations) Locate(address uint64) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	location, ok := l.symbols.Locate(address)
	if ok && !InModule(location) {
		return location, true
	}
	// Another module may lie there by now.
	if modules, err := l.readModules(); err != nil || bytes.Equal(modules, l.loaded) {
		return location, ok
	} else if l.read() == nil {
		l.loaded = modules
	}
	return l.symbols.Locate(address)
}

// InModule tells whether a location is in a module: it may be another one's after a while.
func InModule(location string) bool { return strings.HasSuffix(location, "]") }

// read takes the symbols anew. They stay as they were if that fails.
func (l *Locations) read() error {
	if _, err := l.kallsyms.Seek(0, io.SeekStart); err != nil {
		return err
	}
	table := newSymbolTable(commonRoom)
	if err := table.read(l.kallsyms); err != nil {
		return err
	}
	l.symbols = table.symbols()
	return nil
}

// readModules returns the name, the size and the address of each module.
func (l *Locations) readModules() ([]byte, error) {
	if l.modules == nil {
		return nil, nil
	}
	if _, err := l.modules.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(l.modules)
	if err != nil {
		return nil, err
	}
	var modules []byte
	for line := range bytes.Lines(text) {
		// name, size, users, their names, state, address
		if fields := bytes.Fields(line); len(fields) >= 6 {
			modules = append(append(append(modules, fields[0]...), fields[1]...), fields[5]...)
		}
	}
	return modules, nil
}

func (l *Locations) close() error {
	err := l.kallsyms.Close()
	if l.modules != nil {
		err = errors.Join(err, l.modules.Close())
	}
	return err
}
