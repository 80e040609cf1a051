package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// sample has what /proc/kallsyms of several kernels has: aliases, padding, data, modules out of order, a gap between
// two sections of the kernel, mapping symbols and BPF programs.
const sample = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000010 t __pfx_tcp_v4_rcv
ffffffff81000020 T tcp_v4_rcv
ffffffff81000400 W weak_default
ffffffff81000800 t tcp_drop.isra.0
ffffffff82000000 D init_task
ffffffff83000000 T _sinittext
ffffffffc0100000 t nft_do_chain	[nf_tables]
ffffffffc0100100 t $x	[nf_tables]
ffffffffc0100200 t nft_last	[nf_tables]
ffffffffc0000000 t veth_xmit	[veth]
ffffffffc0200000 t bpf_prog_6deef7357e7b4530_drop	[bpf]
`

func symbolsOf(tb testing.TB, text string) *Symbols {
	tb.Helper()
	table := newSymbolTable(0)
	if err := table.read(strings.NewReader(text)); err != nil {
		tb.Fatal(err)
	}
	return table.symbols()
}

func TestLocate(t *testing.T) {
	symbols := symbolsOf(t, sample)
	for address, want := range map[uint64]string{
		0:                  "",
		1:                  "",
		0xffffffff80ffffff: "",
		0xffffffff81000000: "_stext+0x0",
		0xffffffff81000018: "_stext+0x18",
		0xffffffff81000020: "tcp_v4_rcv+0x0",
		0xffffffff810003ff: "tcp_v4_rcv+0x3df",
		0xffffffff81000401: "weak_default+0x1",
		0xffffffff81000800: "tcp_drop.isra.0+0x0",
		0xffffffff810017ff: "tcp_drop.isra.0+0xfff",
		0xffffffff81001800: "",
		0xffffffff82000000: "",
		0xffffffff83000010: "_sinittext+0x10",
		0xffffffffc0000fff: "veth_xmit+0xfff [veth]",
		0xffffffffc0001000: "",
		0xffffffffc01000ff: "nft_do_chain+0xff [nf_tables]",
		0xffffffffc01001ff: "nft_do_chain+0x1ff [nf_tables]",
		0xffffffffc0100200: "nft_last+0x0 [nf_tables]",
		0xffffffffc0200fff: "bpf_prog_6deef7357e7b4530_drop+0xfff [bpf]",
		0xffffffffc0201000: "",
		0xffffffffffffffff: "",
	} {
		got, ok := symbols.Locate(address)
		if got != want || ok != (want != "") {
			t.Errorf("%#x: %q, %v, want %q", address, got, ok, want)
		}
	}
}

func TestGapsEndSections(t *testing.T) {
	symbols := symbolsOf(t, "10000 t long\n50000 t before_gap\n90001 t last\n")
	for address, want := range map[uint64]string{
		0x4ffff: "long+0x3ffff",
		0x50fff: "before_gap+0xfff",
		0x51000: "",
		0x90000: "",
		0x91000: "last+0xfff",
		0x91001: "",
	} {
		if got, _ := symbols.Locate(address); got != want {
			t.Errorf("%#x: %q, want %q", address, got, want)
		}
	}
}

func TestParseSymbol(t *testing.T) {
	for line, want := range map[string]string{
		"ffffffff81000000 T _text":             "ffffffff81000000 _text []",
		"c0008000 t _stext":                    "c0008000 _stext []",
		"ffffffffc0000000 t veth_xmit\t[veth]": "ffffffffc0000000 veth_xmit [veth]",
		"ffffffffc0000000 w a.b$c\t[bpf]":      "ffffffffc0000000 a.b$c [bpf]",
		"0000000000000000 T _text":             "0 _text []",
		"":                                     "",
		"ffffffff81000000":                     "",
		"ffffffff81000000 T":                   "",
		"ffffffff81000000 T ":                  "",
		"ffffffff81000000  T _text":            "",
		"ffffffff81000000 D init_task":         "",
		"ffffffff81000000 TT _text":            "",
		"fffffffff81000000 T seventeen_digits": "",
		"xfffffff81000000 T _text":             "",
		"FFFFFFFF81000000 T _text":             "",
		" T _text":                             "",
		"ffffffff81000000 t \t[veth]":          "",
		"ffffffff81000000 t veth_xmit\t[]":     "",
		"ffffffff81000000 t veth_xmit\tveth":   "",
		"ffffffff81000000 t __pfx_veth_xmit":   "",
		"ffffffff81000000 t __cfi_veth_xmit":   "",
		"ffffffff81000000 t $x.1":              "",
		"ffffffff81000000 t .Lhere":            "",
		"ffffffff81000000 t .slowpath":         "ffffffff81000000 .slowpath []",
	} {
		got := ""
		if s, ok := parseSymbol([]byte(line)); ok {
			got = fmt.Sprintf("%x %s [%s]", s.address, s.name, s.module)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestLoadSymbolsRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"hidden addresses": {"0000000000000000 T _text\n0000000000000000 t veth_xmit\t[veth]\n", ErrSymbolsHidden},
		"an empty file":    {"", nil},
		"no code":          {"ffffffff81000000 D init_task\n", nil},
		"an endless line":  {strings.Repeat("f", 1<<20), nil},
	} {
		path := filepath.Join(t.TempDir(), "kallsyms")
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		symbols, err := LoadSymbols(path)
		if symbols != nil || err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, %v", name, symbols, err)
		}
	}
	if _, err := LoadSymbols(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
}

func TestSymbolsOfThisKernel(t *testing.T) {
	symbols, err := LoadSymbols("/proc/kallsyms")
	if errors.Is(err, ErrSymbolsHidden) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	for i, address := range symbols.addresses {
		got, ok := symbols.Locate(address)
		if want := string(symbols.name(i)) + "+0x0"; !ok || !strings.HasPrefix(got, want) {
			t.Fatalf("symbol %d of %d is located at %q, want %s", i, symbols.Len(), got, want)
		}
	}
}

// manySymbols returns a file of n functions, a tenth of them in modules, with names of 20 bytes.
func manySymbols(n int) string {
	var text strings.Builder
	for i := range n {
		module := ""
		if i > n-n/10 {
			module = fmt.Sprintf("\t[module_%d]", i/100)
		}
		fmt.Fprintf(&text, "%x t kernel_code_%08d%s\n", 0xffffffff81000000+uint64(i)*64, i, module)
	}
	return text.String()
}

func TestSymbolsStayCompact(t *testing.T) {
	const count = 200_000
	text := manySymbols(count)
	s := symbolsOf(t, text)
	if s.Len() != count {
		t.Fatalf("%d symbols, want %d", s.Len(), count)
	}
	size := 8*cap(s.addresses) + 4*cap(s.marks) + int(unsafe.Sizeof(section{}))*cap(s.sections) + cap(s.names)
	if limit := 6_000_000; size > limit {
		t.Errorf("%d bytes for %d symbols, want at most %d", size, count, limit)
	}
}

func FuzzParseSymbol(f *testing.F) {
	for line := range strings.Lines(sample) {
		f.Add([]byte(strings.TrimSuffix(line, "\n")))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s, ok := parseSymbol(line)
		if ok && (len(s.name) == 0 || !bytes.Contains(line, s.name) || !bytes.Contains(line, s.module)) {
			t.Errorf("%q: name %q of module %q", line, s.name, s.module)
		}
		table := newSymbolTable(0)
		if table.read(bytes.NewReader(line)) != nil {
			return
		}
		symbols := table.symbols()
		if got, found := symbols.Locate(symbols.addresses[0]); !found || !strings.Contains(got, "+0x0") {
			t.Errorf("%q: the first symbol is located at %q, %v", line, got, found)
		}
	})
}

func BenchmarkLoadSymbols(b *testing.B) {
	text := manySymbols(200_000)
	b.ReportAllocs()
	for b.Loop() {
		table := newSymbolTable(commonRoom)
		if err := table.read(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
		table.symbols()
	}
	b.ReportMetric(float64(b.Elapsed())/float64(time.Millisecond)/float64(b.N), "ms/file")
}

func BenchmarkLocate(b *testing.B) {
	symbols := symbolsOf(b, manySymbols(200_000))
	b.ReportAllocs()
	for b.Loop() {
		symbols.Locate(0xffffffff81123456)
	}
}
