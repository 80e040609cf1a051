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
	stat, err := NewServices(os.DirFS("/proc")).stat(p.PID)
	if err != nil {
		t.Fatal(err)
	}
	p.Began = time.Duration(stat.began) * tick
	return p
}

func TestAProcessHasTheNameOfItsEnvironment(t *testing.T) {
	s := NewServices(os.DirFS("/proc"))
	named, nameless := process(t, "OTEL_SERVICE_NAME=checkout"), process(t)
	later := named
	later.Began += time.Minute // it had the pid afterwards
	for p, want := range map[Process]string{named: "checkout", nameless: "", later: "", {}: "", {PID: 1 << 22}: ""} {
		for range 2 {
			if got := s.Name(p); got != want {
				t.Errorf("%+v: %q, want %q", p, got, want)
			}
		}
	}
}

// proc counts what is read.
type proc struct {
	fstest.MapFS
	reads int
}

func (p *proc) ReadFile(name string) ([]byte, error) {
	p.reads++
	return fs.ReadFile(p.MapFS, name)
}

func TestAProcessIsReadOnce(t *testing.T) {
	files := &proc{MapFS: fstest.MapFS{
		"7/environ": {Data: []byte("OTEL_SERVICE_NAME=a")},
		"7/stat":    {Data: []byte("7 (a) b) c) S" + strings.Repeat(" 0", 18) + " 250" + strings.Repeat(" 0", 29))},
	}}
	s := NewServices(files)
	for range 3 {
		if name := s.Name(Process{7, 2500 * time.Millisecond}); name != "a" {
			t.Errorf("%q", name)
		}
		s.Name(Process{8, 0})
	}
	if files.reads != 4 {
		t.Errorf("%d files were read, want three of one process and one that is not there", files.reads)
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
