package kernel

import (
	_ "embed"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// reductionsSource is part of the test: the machine that it runs on may have no sources.
//
//go:embed reductions.go
var reductionsSource string

// reductionNames reads the table itself, so that a new reduction cannot be forgotten here.
func reductionNames(t *testing.T) map[string]Reduction {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reductions.go", reductionsSource, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]Reduction)
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		var words [3]string
		for i := range words {
			if words[i], err = strconv.Unquote(literal.Elts[i].(*ast.BasicLit).Value); err != nil {
				t.Fatal(err)
			}
		}
		if _, taken := found[words[0]]; taken {
			t.Errorf("two reductions are called %s", words[0])
		}
		found[words[0]] = Reduction{Name: words[0], Loses: words[1], Remedy: words[2]}
		return true
	})
	return found
}

func TestReductionsAreNamed(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	all := reductionNames(t)
	if len(all) == 0 {
		t.Fatal("the table is empty")
	}
	for _, r := range all {
		if !name.MatchString(r.Name) {
			t.Errorf("%q is no value of an attribute", r.Name)
		}
		if r.Loses == "" || strings.HasSuffix(r.Loses, ".") || strings.HasSuffix(r.Remedy, ".") {
			t.Errorf("%s loses %q, remedy %q: want phrases", r.Name, r.Loses, r.Remedy)
		}
	}
}

func TestReductionsOfDropsComeFromTheTracepoint(t *testing.T) {
	for arguments, lost := range map[int][2]bool{2: {true, true}, 3: {false, true}, 4: {false, false}} {
		params := make([]btf.FuncParam, arguments+1)
		for i := range params {
			params[i].Type = &btf.Int{Name: "long", Size: 8}
		}
		types := specOf(t, &btf.Typedef{Name: "btf_trace_kfree_skb",
			Type: &btf.Pointer{Target: &btf.FuncProto{Return: (*btf.Void)(nil), Params: params}}})
		for i, reduction := range []Reduction{DropReasons, DropReceivers} {
			if err := reduction.Lost(types); errors.Is(err, ErrLacking) != lost[i] || err != nil && !lost[i] {
				t.Errorf("%s with %d arguments: %v, want lost %v", reduction.Name, arguments, err, lost[i])
			}
		}
	}
	if err := DropReasons.Lost(specOf(t, &btf.Int{Name: "long", Size: 8})); !errors.Is(err, ErrNoTracepoint) {
		t.Errorf("without the tracepoint: %v", err)
	}
}

func TestSymbolsShown(t *testing.T) {
	for content, want := range map[string]error{
		"0000000000000000 A fixed_percpu_data\nffffffff81000000 T _text\n": nil,
		"0000000000000000 A fixed_percpu_data\n0000000000000000 T _text\n": ErrSymbolsHidden,
	} {
		path := filepath.Join(t.TempDir(), "kallsyms")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := symbolsShown(path); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%q: %v, want %v", content, err, want)
		}
	}
	if err := symbolsShown("/dev/null"); err == nil {
		t.Error("a file without symbols shows them")
	}
}

// Every probe finds an answer on this kernel: it is lost because the kernel lacks it, or forbids it, and for no other
// reason, such as a probe that no kernel would take.
func TestReductionsOfThisKernel(t *testing.T) {
	privileges, err := ReadPrivileges(os.DirFS("/"))
	if err != nil {
		t.Fatal(err)
	}
	if reason := privileges.MayLoad(); reason != nil {
		missing(t, "to try programs: "+reason.Error())
	}
	types := kernelSpec(t)
	var cast *btf.Func
	unreadable := privileges.Lockdown == "confidentiality" && types.TypeByName("bpf_rdonly_cast", &cast) != nil
	for _, reduction := range []Reduction{DropReasons, DropReceivers} {
		switch err := reduction.Lost(types); {
		case err == nil, errors.Is(err, ErrLacking), errors.Is(err, unix.EINVAL), errors.Is(err, ebpf.ErrNotSupported):
			t.Logf("%s: %v", reduction.Name, err)
		default:
			t.Errorf("%s: %v", reduction.Name, err)
		}
	}
	for _, reduction := range []Reduction{PacketHeaders, ContainerIDs} {
		if err := reduction.Lost(types); (err != nil) != unreadable {
			t.Errorf("%s in lockdown mode %q: %v", reduction.Name, privileges.Lockdown, err)
		}
	}
	_, symbolsErr := LoadSymbols(symbolsPath)
	if err := DropLocations.Lost(types); (err != nil) != (symbolsErr != nil) {
		t.Errorf("%s: %v, though symbols load with %v", DropLocations.Name, err, symbolsErr)
	}
}
