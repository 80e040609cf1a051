package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// What one round of trouble is made of.
const (
	refused  = 5 // connects that nobody answers
	answered = 4 // connects that are answered, with payload bytes each way
	dropped  = 6 // connects whose one packet the firewall drops on its way out, and that are given up
	payload  = 10_000
)

// The addresses of the trouble, in a network namespace of its own.
const (
	nobody   = "127.0.0.1:1"
	server   = "127.0.0.1:8080"
	firewall = "127.0.0.1:9"
)

// dropRule drops on the way out, where the kernel knows whose packet it is.
const dropRule = "add table ip t; add chain ip t out { type filter hook output priority 0; }; add rule ip t out tcp dport 9 drop"

func TestMain(m *testing.M) {
	bpftest.RunHelper(map[string]bpftest.Helper{"serve": serve, "trouble": trouble})
	os.Exit(m.Run())
}

// serve echoes until its input ends.
func serve(_ []string, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", server)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	fmt.Fprintln(out, "serving")
	_, err = io.Copy(io.Discard, in)
	return err
}

// trouble causes a round for each line that it reads, and says so when that is over.
func trouble(_ []string, in io.Reader, out io.Writer) error {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := round(); err != nil {
			return err
		}
		fmt.Fprintln(out, "done")
	}
	return nil
}

func round() error {
	for range refused {
		if conn, err := net.Dial("tcp", nobody); err == nil {
			return fmt.Errorf("somebody answers at %s", conn.RemoteAddr())
		}
	}
	for range answered {
		if err := echo(); err != nil {
			return err
		}
	}
	for range dropped {
		// long before the kernel would send a second packet
		if conn, err := net.DialTimeout("tcp", firewall, 50*time.Millisecond); err == nil {
			return fmt.Errorf("the firewall lets %s through", conn.RemoteAddr())
		}
	}
	return nil
}

func echo() error {
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(make([]byte, payload)); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, payload))
	return err
}
