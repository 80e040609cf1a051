// Command demo is what scripts/demo.sh needs beside kerntap and a collector: ports that are free, a server to connect
// to, and a reader of what the collector's file exporter wrote.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: demo ports COUNT | demo serve ADDRESS | demo story FILE")
	}
	switch args[0] {
	case "ports":
		return ports(args[1], out)
	case "serve":
		return serve(args[1])
	case "story":
		return story(args[1], out)
	}
	return fmt.Errorf("%q is none of ports, serve, story", args[0])
}

// ports prints ports of loopback that nobody listens on. All are held until the last is found, so they differ.
func ports(count string, out io.Writer) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return fmt.Errorf("count ports: %w", err)
	}
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }()
		fmt.Fprintln(out, l.Addr().(*net.TCPAddr).Port)
	}
	return nil
}

// serve answers every connection with one HTTP response until it is killed.
func serve(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		answer(c)
	}
}

func answer(c net.Conn) {
	defer func() { _ = c.Close() }()
	request := make([]byte, 4096)
	if _, err := c.Read(request); err == nil {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
	}
}
