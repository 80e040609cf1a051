package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// asKerntap makes a copy of the test binary be kerntap.
const asKerntap = "KERNTAP_IN_TEST=1"

func TestMain(m *testing.M) {
	if os.Getenv("KERNTAP_IN_TEST") != "" {
		os.Unsetenv("KERNTAP_IN_TEST")
		main()
	}
	bpftest.RunHelper(map[string]bpftest.Helper{"dial": dial, "dialLines": dialLines, "dialMany": dialMany, "dialPaced": dialPaced, "mixed": mixed,
		"dialOn": dialOn, "accept": accept, "dialBriefly": dialBriefly, "neglect": neglect, "talk": talkOnce})
	goleak.VerifyTestMain(m)
}

// dial connects once to each address in args, whatever becomes of it.
func dial(args []string, _ io.Reader, _ io.Writer) error {
	for _, address := range args {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
		}
	}
	return nil
}

// dialMany connects args[1] times to the address args[0].
func dialMany(args []string, _ io.Reader, _ io.Writer) error {
	n, err := strconv.Atoi(args[1])
	for range n {
		err = errors.Join(err, dial(args[:1], nil, nil))
	}
	return err
}

// dialOn connects to the address args[0], a thousand times a second at most, until its standard input ends, and then says
// how often.
func dialOn(args []string, in io.Reader, out io.Writer) error {
	stop := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, in)
		stop <- err
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case err := <-stop:
			_, writeErr := fmt.Fprintln(out, n)
			return errors.Join(err, writeErr)
		case <-tick.C:
			_ = dial(args, nil, nil)
		}
	}
}

// dialLines connects to the address of each line that it reads, and says so when it is done with one.
func dialLines(_ []string, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := dial([]string{lines.Text()}, nil, nil); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// invoke runs a command line in this process, and ends what should have been refused and runs.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bpftestPatience)
	defer cancel()
	var out, diagnostics bytes.Buffer
	code = run(ctx, environment{stdout: &out, stderr: &diagnostics}, args)
	return code, out.String(), diagnostics.String()
}

// The SDK would add what these variables say to the resources of observed containers.
func TestTheSDKDoesNotSeeTheEnvironment(t *testing.T) {
	for _, name := range []string{"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"} {
		t.Setenv(name, "leaked=leaked")
	}
	all := takeEnvironment()
	for _, name := range []string{"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"} {
		if os.Getenv(name) != "" || !slices.Contains(all, name+"=leaked=leaked") {
			t.Errorf("%s is %q for the SDK, and taken from %v", name, os.Getenv(name), all)
		}
	}
}

func TestBadCommandLinesAreRefusedWithOneLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kerntap.yaml")
	for _, test := range []struct {
		name, file string
		args       []string
		want       string
	}{
		{name: "unknown command", args: []string{"rum"}, want: `unknown command "rum"`},
		{name: "unknown flag", args: []string{"run", "--lisen", "x"}, want: "unknown flag: --lisen"},
		{name: "bad console", args: []string{"run", "--console", "xml"}, want: "--console:"},
		{name: "unknown program", args: []string{"run", "--programs", "conection"}, want: "--programs:"},
		{name: "unknown key", file: "lisen: 1", args: []string{"run", "--config", file}, want: `unknown key "lisen"`},
		{name: "unknown program key", file: "programs: {connection: {recrods: []}}",
			args: []string{"run", "--config", file}, want: "programs.connection.recrods"},
		{name: "bad program value", file: "programs: {packet_drop: {records: [lost]}}",
			args: []string{"run", "--config", file}, want: `programs.packet_drop.records: "lost"`},
		{name: "bad endpoint", args: []string{"run", "--otlp-endpoint", "collector"}, want: "--otlp-endpoint:"},
		{name: "no certificate", file: "otlp: {certificate: /nowhere.pem}", args: []string{"run", "--config", file},
			want: "otlp certificate: open /nowhere.pem"},
		{name: "no file", args: []string{"run", "--config", file + "x"}, want: "--config"},
		{name: "surplus argument", args: []string{"version", "now"}, want: "now"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := invoke(t, test.args...)
			if code != exitUsage || stdout != "" {
				t.Errorf("exit code %d, stdout %q", code, stdout)
			}
			if strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "kerntap: ") || !strings.Contains(stderr, test.want) {
				t.Errorf("stderr is %q, want one line with %q", stderr, test.want)
			}
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	if code, stdout, _ := invoke(t, "version"); code != 0 || stdout != "kerntap "+version+"\n" {
		t.Errorf("version: %d, %q", code, stdout)
	}
	code, stdout, _ := invoke(t)
	for _, command := range []string{"run", "check", "ready", "watch", "top", "version"} {
		if !strings.Contains(stdout, "\n  "+command) {
			t.Errorf("help (exit code %d) lacks %s:\n%s", code, command, stdout)
		}
	}
}

// child runs kerntap as a process of its own, changed by prepare.
func child(t *testing.T, prepare func(*exec.Cmd), args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bpftestPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), asKerntap)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	prepare(cmd)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), diagnostics.String()
}

func TestWithoutPrivilegesThereIsOneClearLine(t *testing.T) {
	bpftest.Require(t) // root, to become somebody else
	for _, test := range []struct {
		name    string
		prepare func(*exec.Cmd)
		want    string
	}{
		{"ordinary user", func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}, "missing CAP_BPF and CAP_PERFMON: run as root"},
		{"rootless engine", func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
			}
		}, "rootless"},
		{"no BTF", func(cmd *exec.Cmd) {
			// in a mount namespace of its own an empty file system hides the kernel's types
			cmd.Path = "/bin/sh"
			cmd.Args = append([]string{"sh", "-c", `mount -t tmpfs none /sys/kernel/btf && exec "$0" "$@"`, self(t)}, cmd.Args[1:]...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
		}, "BTF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := child(t, test.prepare, "run", "--listen", "off")
			if code != exitFailed || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("run: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
			}
			code, stdout, stderr = child(t, test.prepare, "check")
			if code != exitFailed || !strings.Contains(stdout, test.want) || !strings.Contains(stdout, "✗ connection") {
				t.Errorf("check: exit code %d, stdout:\n%s\nstderr %q", code, stdout, stderr)
			}
		})
	}
}

// self is the path of this test binary, which children in other namespaces start.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
