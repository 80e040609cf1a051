package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The state of a socket that listens, in /proc/net/tcp: TCP_LISTEN, include/net/tcp_states.h.
const listens = "0A"

// ready is a health check: whether anything in this network namespace listens at the port that is its only argument. It asks the
// kernel and not the port: a check that connects would be seen as a client.
func ready(args []string) error {
	if len(args) != 1 {
		return errors.New("ready takes a port, such as 8080")
	}
	port, err := strconv.ParseUint(args[0], 10, 16)
	if err != nil {
		return fmt.Errorf("ready: port %q is no number from 0 to 65535", args[0])
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		found, err := listening(table, uint16(port))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // without IPv6 there is no second table
			return err
		}
		if found {
			return nil
		}
	}
	return fmt.Errorf("nothing listens at port %d", port)
}

func listening(table string, port uint16) (bool, error) {
	file, err := os.Open(table)
	if err != nil {
		return false, err
	}
	defer file.Close()
	at := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // number, local address, remote address, state
		if len(fields) > 3 && strings.HasSuffix(fields[1], at) && fields[3] == listens {
			return true, nil
		}
	}
	return false, nil
}
