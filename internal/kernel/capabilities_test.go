package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// roleVariable tells a copy of the test binary what to do instead of tests: privileges that it loses are its own.
const roleVariable = "KERNTAP_KERNEL_TEST_ROLE"

const nobody = 65534

func TestMain(m *testing.M) {
	role, ok := map[string]func() error{
		"drop":     dropAndLook,
		"limit":    limitAndLock,
		"raise":    raiseAndLook,
		"lock":     lockAndMake,
		"tellCaps": tellCapabilities,
	}[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// play runs a copy of this test binary in a role and returns what it says.
func play(t *testing.T, role string, prepare func(*exec.Cmd)) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	prepare(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", role, err, out)
	}
	return string(out)
}

// as makes a command run as an ordinary user with these capabilities alone.
func as(capabilities ...uintptr) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
			AmbientCaps: capabilities,
		}
	}
}

func requireRoot(t *testing.T) {
	t.Helper()
	privileges, err := ReadPrivileges(os.DirFS("/"))
	if err != nil {
		t.Fatal(err)
	}
	if reason := privileges.MayLoad(); reason != nil || privileges.UID != 0 {
		missing(t, "to be root, to become somebody else")
	}
}

// capabilitiesOf returns a line of every thread's status, by the lines' values.
func capabilitiesOf(line string) (map[string]int, error) {
	found := make(map[string]int)
	paths, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		status, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		} else if err != nil {
			return nil, err
		}
		_, rest, _ := strings.Cut(string(status), "\n"+line+":\t")
		value, _, _ := strings.Cut(rest, "\n")
		found[value]++
	}
	return found, nil
}

func allAre(line, want string) error {
	found, err := capabilitiesOf(line)
	if err == nil && (len(found) != 1 || found[want] == 0) {
		err = fmt.Errorf("%s of the threads is %v, want %s of all", line, found, want)
	}
	return err
}

// dropAndLook drops its privileges while it has many threads and an iterator, and sees what it still can do.
func dropAndLook() error {
	var objects selfObjects
	if err := loadSelfObjects(&objects, nil); err != nil {
		return err
	}
	iterator, err := link.AttachIter(link.IterOptions{Program: objects.SelfRead, Map: objects.Elements})
	if err != nil {
		return err
	}
	symbols, err := os.Open(symbolsPath)
	if err != nil {
		return err
	}
	defer symbols.Close()
	var threads sync.WaitGroup
	stop := make(chan struct{})
	defer threads.Wait()
	defer close(stop)
	for range 8 {
		started := make(chan struct{})
		threads.Go(func() { runtime.LockOSThread(); close(started); <-stop })
		<-started
	}
	var keep []int
	kept := "0000000000000000"
	var value uint32 // of a map that is not mapped into memory, so that the kernel is asked
	if TryUnprivileged(func() error { return objects.Elements.Lookup(uint32(0), &value) }) != nil {
		keep, kept = []int{unix.CAP_BPF}, fmt.Sprintf("%016x", uint64(1)<<unix.CAP_BPF)
	}
	if err := DropPrivileges(keep...); err != nil {
		return err
	}
	fmt.Println("kept", kept)
	return errors.Join(
		allAre("CapEff", kept), allAre("CapPrm", kept), allAre("CapInh", "0000000000000000"),
		allAre("CapAmb", "0000000000000000"), allAre("NoNewPrivs", "1"),
		cannotLoad(), cannotReadSymbols(), childGetsNoMore(kept), stillReads(iterator, &objects),
		stillNames(symbols))
}

func cannotLoad() error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "kfree_skb", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err == nil {
		return errors.Join(errors.New("it still loads a program"), program.Close())
	}
	if !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("loading a program fails, but not for want of privileges: %w", err)
	}
	return nil
}

func cannotReadSymbols() error {
	if err := symbolsShown(symbolsPath); !errors.Is(err, ErrSymbolsHidden) {
		return fmt.Errorf("kernel symbols are not hidden, the error is %v", err)
	}
	return nil
}

// childGetsNoMore starts a program, which uid 0 would get every capability from.
func childGetsNoMore(kept string) error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"=tellCaps")
	out, err := cmd.CombinedOutput()
	if err == nil && string(out) != "0000000000000000" && string(out) != kept {
		err = fmt.Errorf("what it starts has the capabilities %s", out)
	}
	return err
}

func tellCapabilities() error {
	found, err := capabilitiesOf("CapEff")
	for value := range found {
		fmt.Print(value)
	}
	return err
}

// stillNames reads a file of symbols that was opened before: what it shows depends on who opened it.
func stillNames(symbols *os.File) error {
	table := newSymbolTable(commonRoom)
	if err := table.read(symbols); err != nil {
		return fmt.Errorf("kernel symbols opened before: %w", err)
	}
	return nil
}

// stillReads opens an iterator anew and reads what it wrote into its map.
func stillReads(iterator *link.Iter, objects *selfObjects) error {
	file, err := iterator.Open()
	if err != nil {
		return fmt.Errorf("open iterator: %w", err)
	}
	defer file.Close()
	if _, err := io.Copy(io.Discard, file); err != nil {
		return fmt.Errorf("read iterator: %w", err)
	}
	var pid uint32
	if err := objects.ReaderTgid.Get(&pid); err != nil || pid == 0 {
		return fmt.Errorf("the iterator's result is %d: %w", pid, err)
	}
	return nil
}

func TestDroppedPrivilegesAreGoneAndReadingGoesOn(t *testing.T) {
	requireRoot(t)
	if err := symbolsShown(symbolsPath); err != nil {
		missing(t, "to see symbols before: "+err.Error())
	}
	for name, prepare := range map[string]func(*exec.Cmd){
		"root":          func(*exec.Cmd) {},
		"ordinary user": as(unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYSLOG),
	} {
		t.Run(name, func(t *testing.T) { t.Log(play(t, "drop", prepare)) })
	}
}

func TestTryUnprivilegedGivesBack(t *testing.T) {
	requireRoot(t)
	effective := func() string {
		data, err := os.ReadFile("/proc/thread-self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), "CapEff:\t")
		return rest[:16]
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	failure := errors.New("it failed")
	before, during := effective(), ""
	err := TryUnprivileged(func() error {
		during = effective()
		return failure
	})
	if after := effective(); !errors.Is(err, failure) || during != "0000000000000000" || after != before {
		t.Errorf("%v, with %s before, %s during, %s after", err, before, during, after)
	}
}

func raiseAndLook() error {
	before, err := capabilitiesOf("CapEff")
	if err := errors.Join(err, RaisePrivileges()); err != nil {
		return err
	}
	after, err := capabilitiesOf("CapEff")
	fmt.Print(len(before), len(after), before["0000000000000000"] > 0, after["000000c000000000"] > 0)
	return err
}

// A file that permits capabilities, and no more, runs where they are out of bounds, and has them where they are not.
func TestPermittedCapabilitiesAreRaised(t *testing.T) {
	requireRoot(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "kerntap") // that of the test is for root's eyes alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "permitted")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(path, self, 0o755)); err != nil {
		t.Fatal(err)
	}
	set := cap.NewSet()
	if err := set.SetFlag(cap.Permitted, true, cap.BPF, cap.PERFMON); err != nil {
		t.Fatal(err)
	}
	if err := set.SetFile(path); err != nil {
		missing(t, "files with capabilities: "+err.Error())
	}
	said := play(t, "raise", func(cmd *exec.Cmd) {
		as()(cmd)
		cmd.Path = path
	})
	if said != "1 1 true true" {
		t.Errorf("before, after, none before, both after: %s", said)
	}
}
