package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// tables are files in the place of /proc/kallsyms and /proc/modules.
type tables struct{ symbols, modules string }

func writeTables(t *testing.T, symbols, modules string) tables {
	t.Helper()
	dir := t.TempDir()
	f := tables{filepath.Join(dir, "kallsyms"), filepath.Join(dir, "modules")}
	f.write(t, symbols, modules)
	return f
}

// write changes the files that are open, as the kernel does.
func (f tables) write(t *testing.T, symbols, modules string) {
	t.Helper()
	for path, content := range map[string]string{f.symbols: symbols, f.modules: modules} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	coreSymbols  = "ffffffff81000000 T ip_rcv\nffffffff81000100 T after\n"
	oneModule    = "one 4096 0 - Live 0xffffffffc0000000\n"
	oneSymbols   = coreSymbols + "ffffffffc0000000 t one_drops\t[one]\n"
	otherModule  = "other 4096 0 - Live 0xffffffffc0000000\n"
	otherSymbols = coreSymbols + "ffffffffc0000000 t other_drops\t[other]\n"
)

func TestLocationsFollowModules(t *testing.T) {
	files := writeTables(t, coreSymbols, "")
	l, err := openLocations(files.symbols, files.modules)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(address uint64, want string) {
		t.Helper()
		if got, ok := l.Locate(address); got != want || ok != (want != "") {
			t.Errorf("%x is at %q, %v, want %q", address, got, ok, want)
		}
	}
	expect(0xffffffff81000010, "ip_rcv+0x10")
	expect(0xffffffffc0000010, "")
	files.write(t, oneSymbols, oneModule)
	expect(0xffffffffc0000010, "one_drops+0x10 [one]")
	files.write(t, otherSymbols, otherModule)
	expect(0xffffffffc0000010, "other_drops+0x10 [other]")
	files.write(t, coreSymbols, "")
	expect(0xffffffffc0000010, "")
	expect(0xffffffff81000010, "ip_rcv+0x10")
}

func TestLocationsAreNotOpenedWhereSymbolsAreHidden(t *testing.T) {
	files := writeTables(t, "0000000000000000 T ip_rcv\n", "")
	if l, err := openLocations(files.symbols, files.modules); !errors.Is(err, ErrSymbolsHidden) || l != nil {
		t.Errorf("%v, %v", l, err)
	}
	if l, err := openLocations(filepath.Join(t.TempDir(), "none"), files.modules); !errors.Is(err, os.ErrNotExist) || l != nil {
		t.Errorf("%v, %v", l, err)
	}
}

func TestAKernelWithoutModulesHasLocations(t *testing.T) {
	files := writeTables(t, coreSymbols, "")
	l, err := openLocations(files.symbols, filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := l.Locate(0xffffffff81000010); got != "ip_rcv+0x10" {
		t.Errorf("it is at %q", got)
	}
	if got, ok := l.Locate(0xffffffffc0000010); ok {
		t.Errorf("a place in no module is at %q", got)
	}
}
