package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// mixed makes connections, refused ones and datagrams until its standard input ends, and then says how many of each:
// args are how many a second.
func mixed(args []string, in io.Reader, out io.Writer) error {
	rate, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer server.Close()
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	stop := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, in)
		stop <- err
	}()
	var opened, refused, sent int
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case err := <-stop:
			_, writeErr := fmt.Fprintln(out, opened, refused, sent)
			return errors.Join(err, writeErr)
		case <-tick.C:
		}
		if err := talk(server.Addr().String()); err != nil {
			return err
		}
		opened++
		if conn, err := net.Dial("tcp4", "127.0.0.1:1"); err == nil {
			conn.Close()
		}
		refused++
		n, err := datagrams(10)
		if err != nil {
			return err
		}
		sent += n
	}
}

// talkOnce talks once with the address args[0].
func talkOnce(args []string, _ io.Reader, _ io.Writer) error { return talk(args[0]) }

// talk opens a connection, says something, hears it back and ends.
func talk(address string) error {
	conn, err := net.Dial("tcp4", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		return err
	}
	return nil
}

// datagrams sends n datagrams to a port that the firewall drops.
func datagrams(n int) (int, error) {
	conn, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	for i := range n {
		if _, err := io.WriteString(conn, "dropped"); err != nil && !errors.Is(err, syscall.EPERM) {
			return i, err
		}
	}
	return n, nil
}

// churn makes a container after the other: a cgroup of that name, a process in it that connects, and neither any more.
func churn(t *testing.T, ns *bpftest.Namespace, stop <-chan struct{}) (containers int) {
	t.Helper()
	root := bpftest.CgroupRoots(t)[0]
	retry := time.NewTicker(300 * time.Millisecond)
	defer retry.Stop()
	for {
		select {
		case <-stop:
			return containers
		case <-retry.C:
		}
		dir := filepath.Join(root, fmt.Sprintf("kerntap-soak-%d", os.Getpid()), fmt.Sprintf("docker-%064x.scope", containers))
		if err := runContained(ns, dir); err != nil {
			t.Error(err)
			return containers
		}
		containers++
	}
}

// runContained runs a process in a cgroup that lives as long as the process. The process connects once it is there.
func runContained(ns *bpftest.Namespace, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	defer os.Remove(filepath.Dir(dir)) // once it is empty
	defer os.Remove(dir)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "KERNTAP_TEST_HELPER=dialLines")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	ns.Do(func() { err = cmd.Start() })
	if err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
	_, writeErr := io.WriteString(stdin, "127.0.0.1:1\n")
	return errors.Join(err, writeErr, stdin.Close(), cmd.Wait())
}
