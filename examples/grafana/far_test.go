package main

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// What one round of visits to a far place is made of.
const (
	visits = 4 // connections at once
	// trip is how long each packet is on its way: two of them are a connect, and a round trip.
	trip = 130 * time.Millisecond
	// kept is how long a connection is left open. Its ends say goodbye in a round trip more.
	kept = 1100 * time.Millisecond
)

// A far place is seen in a mirror: who goes there meets itself.
var (
	here  = netip.AddrPortFrom(bpftest.Near, 8080).String()
	there = netip.AddrPortFrom(bpftest.Far, 8080).String()
)

// far visits a far place for each line that it reads, and says so when that is over.
func far(_ []string, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", here)
	if err != nil {
		return err
	}
	go answerAll(listener, echo)
	return forEachLine(in, out, visitAtOnce)
}

func visitAtOnce() error {
	ended := make(chan error)
	for range visits {
		go func() { ended <- visit() }()
	}
	var err error
	for range visits {
		err = errors.Join(err, <-ended)
	}
	return err
}

// visit has a byte come back, so that both ends have measured a round trip.
func visit() error {
	conn, err := net.Dial("tcp", there)
	if err != nil {
		return err
	}
	defer conn.Close()
	enough := time.After(kept)
	if err := echoOn(conn, 1); err != nil {
		return err
	}
	<-enough
	return nil
}
