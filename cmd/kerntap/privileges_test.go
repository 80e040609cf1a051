package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// A combination of the capabilities that kerntap has a use for, or that one might think it has.
const (
	withBPF = 1 << iota
	withPerfmon
	withSyslog
	withPtrace
	withResource
	withAdmin // stands for the first two where an engine does not know them
	combinations

	withTwo = withBPF | withPerfmon
)

// asUser makes a command run as an ordinary user with these of the capabilities and no other.
func asUser(combination int) func(*exec.Cmd) {
	var capabilities []uintptr
	for flag, capability := range map[int]uintptr{
		withBPF: unix.CAP_BPF, withPerfmon: unix.CAP_PERFMON, withSyslog: unix.CAP_SYSLOG, withPtrace: unix.CAP_SYS_PTRACE,
		withResource: unix.CAP_SYS_RESOURCE, withAdmin: unix.CAP_SYS_ADMIN,
	} {
		if combination&flag != 0 {
			capabilities = append(capabilities, capability)
		}
	}
	return func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: capabilities,
		}
	}
}

func TestPrivilegesThatAreNotEnoughAreNamed(t *testing.T) {
	bpftest.Require(t)
	for combination := range combinations {
		var want string
		switch combination & (withTwo | withAdmin) {
		case 0:
			want = "missing CAP_BPF and CAP_PERFMON: "
		case withBPF:
			want = "missing CAP_PERFMON: "
		case withPerfmon:
			want = "missing CAP_BPF: "
		default:
			continue
		}
		if combination&withResource != 0 {
			continue // it is about memory, and asked for nothing before this
		}
		code, stdout, stderr := child(t, asUser(combination), "run", "--listen", "off")
		if code != exitFailed || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%06b: exit code %d, stdout %q, stderr %q, want %q", combination, code, stdout, stderr, want)
		}
	}
}

// accept accepts connections at the address args[0], says back what it hears, and closes each once its client has.
func accept(args []string, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "listening")
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	_, err = io.Copy(io.Discard, in)
	return err
}

// dialBriefly connects once to the address of each line that it reads, for args[0] at most, and says so.
func dialBriefly(args []string, in io.Reader, out io.Writer) error {
	patience, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if conn, err := net.DialTimeout("tcp", lines.Text(), patience); err == nil {
			conn.Close()
		}
		fmt.Fprintln(out, lines.Text())
	}
	return lines.Err()
}

// seen is what a kerntap told of the same small story.
type seen struct {
	lost      []string            // names of reductions, of both programs
	keys      map[string][]string // attributes of all events, by event name
	locations int                 // drops whose location has a name
	threads   map[string]int      // capabilities and no_new_privs of its threads
}

const (
	served, closed, filtered = "127.0.0.1:40021", "127.0.0.1:40022", "127.0.0.1:40023"
	dialled                  = 25
	container                = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// requireToGive skips what takes a capability that this process does not have itself, under REQUIRE_BPF too: engines leave
// SYS_RESOURCE out, and root in the machines of make test-kernels has it.
func requireToGive(t *testing.T, combination int) {
	t.Helper()
	if has, err := cap.GetProc().GetFlag(cap.Permitted, cap.SYS_RESOURCE); err != nil {
		t.Fatal(err)
	} else if combination&withResource != 0 && !has {
		t.Skip("this process has no SYS_RESOURCE to give")
	}
}

// enough are the combinations that are enough, without those that have both the two and what stands for them; of these
// there is the one with everything.
func enough() []int {
	all := []int{combinations - 1}
	for combination := range combinations {
		if base := combination & (withTwo | withAdmin); base == withTwo || base == withAdmin {
			all = append(all, combination)
		}
	}
	return all
}

// Every combination of capabilities that is enough tells the same, but for what the further ones add; and it does so
// after it has dropped all of them.
func TestPrivilegesBeyondTheTwoAddWhatTheyAreFor(t *testing.T) {
	bpftest.Require(t)
	told := make(map[int]seen)
	for _, combination := range enough() {
		t.Run(fmt.Sprintf("%06b", combination), func(t *testing.T) {
			requireToGive(t, combination)
			told[combination] = tellAll(t, combination)
		})
	}
	if t.Failed() {
		return
	}
	alone := told[withTwo]
	if !slices.Contains(alone.lost, "drop_locations") || alone.locations > 0 {
		t.Errorf("the two alone lose %v and name %d locations", alone.lost, alone.locations)
	}
	for combination, this := range told {
		want := alone
		if combination&withSyslog != 0 {
			want = withLocations(alone)
		}
		if !slices.Equal(this.lost, want.lost) || !maps.EqualFunc(this.keys, want.keys, slices.Equal) {
			t.Errorf("%06b loses %v and tells\n%v\nwant %v and\n%v", combination, this.lost, this.keys, want.lost, want.keys)
		}
		kept := alone.threads
		if combination&withBPF == 0 && maps.Equal(kept, keeping(1<<unix.CAP_BPF)) { // this kernel asks for one to read maps
			kept = keeping(1 << unix.CAP_SYS_ADMIN)
		}
		if !maps.Equal(this.threads, kept) {
			t.Errorf("%06b keeps %v, want %v", combination, this.threads, kept)
		}
	}
}

// withLocations is the same with what the capability SYSLOG adds.
func withLocations(s seen) seen {
	with := seen{keys: maps.Clone(s.keys)}
	with.lost = slices.DeleteFunc(slices.Clone(s.lost), func(name string) bool { return name == "drop_locations" })
	const event = "kerntap.packet.dropped"
	with.keys[event] = slices.Sorted(slices.Values(append(slices.Clone(s.keys[event]), "kerntap.drop.location")))
	return with
}

// tellAll tells again what the kernel skipped a part of: some let another task run in the middle of a program.
func tellAll(t *testing.T, combination int) seen {
	const attempts = 5
	for attempt := range attempts {
		if told, complete := tell(t, combination, attempt); complete {
			return told
		}
	}
	t.Fatalf("in each of %d attempts the kernel skipped a program", attempts)
	return seen{}
}

// tell runs kerntap with a combination of capabilities, lives through a few connections and drops, checks what is told
// of them alike with every combination, and returns the rest. It is not complete if the kernel has skipped a program.
func tell(t *testing.T, combination, attempt int) (s seen, complete bool) {
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, `add table inet t
		add chain inet t out { type filter hook output priority 0; }
		add rule inet t out tcp dport 40023 counter drop`)
	address := bpftest.FreeAddress(t)
	// others on this machine must not push the records out that are asked for
	kerntap := startAs(t, asUser(combination), "run", "--listen", address, "--console", "none",
		"--config", configured(t, "storage: {records: 1000000}\n"))
	awaitReady(t, address)

	// no other process of this machine has these names, not even of another run of this test
	run := fmt.Sprintf("%d%d-%d", combination, attempt, os.Getpid())
	names := [2]string{"kt-a" + run, "kt-g" + run}
	server := ns.StartHelper(t, names[1], "accept", served)
	server.Line(t)
	client := ns.StartHelper(t, names[0], "dialBriefly", "2s") // with less an emulated machine gives up before it has tried
	bpftest.Cgroup(t, bpftest.CgroupRoots(t)[0], "docker-"+container+".scope", client.PID)
	for i := range dialled + 2 {
		to := served
		if i == dialled {
			to = closed
		} else if i > dialled {
			to = filtered
		}
		client.Send(t, to)
		client.Line(t)
	}
	server.End(t)
	client.End(t)
	packets := counted(t, ns)
	if missed := missedRuns(t, address); missed > 0 {
		t.Logf("%d runs missed", missed)
		return s, false
	}

	checkSum(t, address, "/api/connection-summary", names[0], dialled+2)
	checkSum(t, address, "/api/packet-drop-summary", names[0], packets)
	s = seen{keys: make(map[string][]string), threads: threads(t, kerntap.pid)}
	s.lost = reductions(t, address)
	owners := map[string]uint32{names[0]: client.PID, names[1]: server.PID}
	outcomes := s.read(t, address, owners, !slices.Contains(s.lost, "container_ids"))
	want := map[string]int{names[0] + " opened": dialled, names[0] + " failed": 2, names[0] + " closed": dialled,
		names[1] + " opened": dialled, names[1] + " closed": dialled, names[0] + " dropped": packets}
	if !maps.Equal(outcomes, want) {
		t.Errorf("told %v, want %v", outcomes, want)
	}
	return s, true
}
