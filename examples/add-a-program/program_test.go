package file_change

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// defaults are settings that change nothing.
type defaults struct{}

func (defaults) Decode(any) error { return nil }

func TestAChangedFileIsReported(t *testing.T) {
	bpftest.Require(t)
	storage := bpf.NewInMemoryStorage()
	program, err := New(defaults{}, storage)
	if err != nil {
		t.Fatal(err)
	}
	recorder := bpftest.Start(t, program)
	path := filepath.Join(t.TempDir(), "changed")
	if err := os.WriteFile(path, []byte("new content"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	e := bpftest.Await(t, recorder, "change of "+path, func(e *Event) bool { return e.Inode == stat.Ino })
	if e.PID != uint32(os.Getpid()) || e.Command == "" || e.FileSystem == "" {
		t.Errorf("reported as %s", e.Body())
	}
	tally := bpftest.Await(t, recorder, "tally", func(t *Tally) bool { return t.Command == e.Command && t.FileSystem == e.FileSystem })
	if got := tally.Measurements(nil); len(got) != 1 || got[0].Metric.Name != "kerntap.file.changes" || got[0].Value < 1 {
		t.Errorf("measurements are %+v", got)
	}
	inode := telemetry.String(fileInode, strconv.FormatUint(stat.Ino, 10))
	if got := e.Attributes(nil); !contains(got, inode) {
		t.Errorf("attributes %+v lack %+v", got, inode)
	}
}

func contains(all []telemetry.Attribute, wanted telemetry.Attribute) bool {
	for _, a := range all {
		if a == wanted {
			return true
		}
	}
	return false
}

// The committed object is what the C file compiles to, by the very command that the recipe gives.
func TestTheRecipeCompiles(t *testing.T) {
	bpftest.RequireTool(t, "clang-19")
	committed, err := os.ReadFile("filechange_bpfel.o")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	command := strings.Replace(generateCommand(t), "bpf2go ", "bpf2go -go-package file_change -output-dir "+dir+" ", 1)
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	compiled, err := os.ReadFile(filepath.Join(dir, "filechange_bpfel.o"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(compiled, committed) {
		t.Error("filechange_bpfel.o is not what bpf/file_change.bpf.c compiles to: run go generate")
	}
}

// generateCommand is what go generate runs.
func generateCommand(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "program.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if command, ok := strings.CutPrefix(comment.Text, "//go:generate "); ok {
				return command
			}
		}
	}
	t.Fatal("program.go has no go:generate line")
	return ""
}

// Every file that the recipe speaks of is there, and every file that is there is spoken of.
func TestTheRecipeNamesItsFiles(t *testing.T) {
	recipe, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bpf/file_change.bpf.c", "event.go", "program.go", "internal/bpf/programs/programs.go"} {
		if !strings.Contains(string(recipe), name) {
			t.Errorf("README.md does not speak of %s", name)
		}
	}
}
