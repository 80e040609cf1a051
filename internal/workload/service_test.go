package workload

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestServiceName(t *testing.T) {
	for _, test := range []struct{ environment, want string }{
		{"", ""},
		{"PATH=/bin\x00OTEL_SERVICE_NAME=checkout\x00", "checkout"},
		{"OTEL_RESOURCE_ATTRIBUTES=a=b, service.name = check%20out ,c=d\x00HOME=/", "check out"},
		{"OTEL_RESOURCE_ATTRIBUTES=service.name=other\x00OTEL_SERVICE_NAME=checkout", "checkout"},
		{"OTEL_SERVICE_NAME=\x00OTEL_RESOURCE_ATTRIBUTES=service.name=other", "other"},
		{"OTEL_RESOURCE_ATTRIBUTES=service.name=50%", ""},
		{"OTEL_RESOURCE_ATTRIBUTES=service.namespace=shop", ""},
		{"XOTEL_SERVICE_NAME=checkout\x00=\x00garbage", ""},
		{"OTEL_SERVICE_NAME=a\xffb", "a\uFFFDb"},
		{"OTEL_SERVICE_NAME=a=b", "a=b"},
	} {
		if got := ServiceName([]byte(test.environment)); got != test.want {
			t.Errorf("%q: %q, want %q", test.environment, got, test.want)
		}
	}
}

// process starts a process with an environment and returns it as the kernel tells it.
func process(t *testing.T, environment ...string) Process {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.Env = environment
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	p := Process{PID: uint32(cmd.Process.Pid)}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		// it has its environment once it is another program
		if name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID)); err == nil && !strings.Contains(name, ".test") {
			break
		}
	}
	stat, err := readStat(os.DirFS("/proc"), p.PID)
	if err != nil {
		t.Fatal(err)
	}
	p.Began = time.Duration(stat.began) * tick
	return p
}

func TestAProcessHasTheNameOfItsEnvironment(t *testing.T) {
	s := NewServices(os.DirFS("/proc"))
	defer s.Close()
	named, nameless := process(t, "OTEL_SERVICE_NAME=checkout"), process(t)
	later := named
	later.Began += time.Minute // it had the pid afterwards
	for p, want := range map[Process]string{named: "checkout", nameless: "", later: "", {}: "", {PID: 1 << 22}: ""} {
		for range 2 {
			got := s.Name(p)
			for deadline := time.Now().Add(10 * time.Second); got != want && time.Now().Before(deadline); { // a busy machine
				got = s.Name(p)
			}
			if got != want {
				t.Errorf("%+v: %q, want %q", p, got, want)
			}
		}
	}
}

// proc counts what is read, which waits for the gate if there is one.
type proc struct {
	fstest.MapFS
	opened int
	gate   chan struct{}
}

func (p *proc) Open(name string) (fs.File, error) {
	p.opened++
	if p.gate != nil {
		<-p.gate
	}
	return p.MapFS.Open(name)
}

// statAt250 is the /proc/PID/stat of a process that began 250 ticks after the boot.
var statAt250 = "7 (a) b) c) S" + strings.Repeat(" 0", 18) + " 250" + strings.Repeat(" 0", 29)

func TestAProcessIsReadOnce(t *testing.T) {
	files := &proc{MapFS: fstest.MapFS{
		"7/environ": {Data: []byte("OTEL_SERVICE_NAME=a")},
		"7/stat":    {Data: []byte(statAt250)},
	}}
	s := NewServices(files)
	for range 3 {
		if name := s.Name(Process{PID: 7, Began: 2500 * time.Millisecond}); name != "a" {
			t.Errorf("%q", name)
		}
	}
	s.Name(Process{PID: 8})
	s.Name(Process{PID: 8})
	other := s.Name(Process{PID: 7, Began: 2500 * time.Millisecond, Executable: "other"})
	s.Close()
	if files.opened != 3+2+3 || other != "a" {
		t.Errorf("%d files were read, want three of one process, and again of what it runs later, and one that is not there twice", files.opened)
	}
}

// A process may make the reading of its environment take as long as it likes: others are told without, and it is found later.
func TestAnEnvironmentThatTakesLongKeepsNobody(t *testing.T) {
	gate := make(chan struct{})
	files := &proc{MapFS: fstest.MapFS{
		"7/environ": {Data: []byte("OTEL_SERVICE_NAME=a")}, "7/stat": {Data: []byte(statAt250)},
	}, gate: gate}
	s := NewServices(files)
	p := Process{PID: 7, Began: 2500 * time.Millisecond}
	began := time.Now()
	for pid := range uint32(100) {
		if name := s.Name(p) + s.Name(Process{PID: 1000 + pid}); name != "" {
			t.Errorf("%q", name)
		}
		if pid == 1 { // both that can be asked for at once have been
			began = time.Now()
		}
	}
	// each of the hundred waits for the first, and nobody for the others
	if took := time.Since(began); took > 100*2*patience {
		t.Errorf("it took %s", took)
	}
	close(gate)
	for deadline := time.Now().Add(10 * time.Second); s.Name(p) != "a"; {
		if time.Now().After(deadline) {
			t.Fatal("its name is never known")
		}
	}
	s.Close()
}

func TestWhatIsTooLongIsNotTold(t *testing.T) {
	long := strings.Repeat("x", 256)
	if name := ServiceName([]byte("OTEL_SERVICE_NAME=" + long)); name != "" {
		t.Errorf("a name of %d bytes is told", len(name))
	}
	if name := ServiceName([]byte("OTEL_SERVICE_NAME=" + long[1:])); name != long[1:] {
		t.Errorf("%q", name)
	}
	files := fstest.MapFS{
		"7/environ": {Data: append([]byte("OTEL_SERVICE_NAME=a\x00"), make([]byte, maxEnvironment)...)}, "7/stat": {Data: []byte(statAt250)},
	}
	if name, err := readServiceName(files, Process{PID: 7, Began: 2500 * time.Millisecond}); name != "" || err == nil {
		t.Errorf("%q, %v", name, err)
	}
}

func FuzzServiceName(f *testing.F) {
	f.Add([]byte("OTEL_RESOURCE_ATTRIBUTES=service.name=a%20b\x00X=y"))
	f.Fuzz(func(t *testing.T, environment []byte) {
		if name := ServiceName(environment); len(name) > 3*len(environment) {
			t.Errorf("%q", name)
		}
	})
}
