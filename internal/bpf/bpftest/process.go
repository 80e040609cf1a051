package bpftest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// helperVariable tells a copy of the test binary which helper it is.
const helperVariable = "KERNTAP_TEST_HELPER"

// AsHelper is the variable that makes a copy of the test binary a helper, for helpers that start others.
func AsHelper(name string) string { return helperVariable + "=" + name }

// Helper is what a process of a test does: args are its arguments; it may announce itself on stdout and should end
// when stdin does.
type Helper func(args []string, stdin io.Reader, stdout io.Writer) error

// RunHelper runs the helper that this process was started as, and returns without doing anything where it was started
// as a test. TestMain calls it first.
func RunHelper(helpers map[string]Helper) {
	helper, ok := helpers[os.Getenv(helperVariable)]
	if !ok {
		return
	}
	if err := helper(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(0)
}

// Process is a helper that runs under a command name of its own.
type Process struct {
	PID    uint32
	stdin  io.WriteCloser
	stdout *bufio.Reader
	cmd    *exec.Cmd
}

// StartHelper starts a helper inside the namespace as the command name. It is ended with the test.
func (ns *Namespace) StartHelper(t testing.TB, name, helper string, args ...string) *Process {
	t.Helper()
	cmd := exec.Command(executableNamed(t, name), args...)
	cmd.Env = append(os.Environ(), helperVariable+"="+helper)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	ns.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{PID: uint32(cmd.Process.Pid), stdin: stdin, stdout: bufio.NewReader(stdout), cmd: cmd}
	t.Cleanup(func() {
		stdin.Close()
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	return p
}

// executableNamed copies the test binary: the kernel's command name is that of the file.
func executableNamed(t testing.TB, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Link(self, path); err == nil {
		return path
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Line returns the next line that the process wrote, without its end.
func (p *Process) Line(t testing.TB) string {
	t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("read from %s: %v", p.cmd.Path, err)
	}
	return line[:len(line)-1]
}

// Send writes a line to the process's standard input.
func (p *Process) Send(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		t.Fatalf("write to %s: %v", p.cmd.Path, err)
	}
}

// CloseInput closes the process's standard input, which says to it that it is to end.
func (p *Process) CloseInput() { p.stdin.Close() }

// Wait waits until the process has ended by itself.
func (p *Process) Wait(t testing.TB) {
	t.Helper()
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%s: %v", p.cmd.Path, err)
	}
}

// End closes the process's standard input and waits until it has ended.
func (p *Process) End(t testing.TB) {
	t.Helper()
	p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%s: %v", p.cmd.Path, err)
	}
}

// Kill ends the process at once.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}
