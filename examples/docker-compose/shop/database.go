package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// row is what the database answers to each question: enough for a lost packet now and then to be noticed.
const row = 64 << 10

// database answers, unless it does not listen.
func database(ctx context.Context, s shop) error {
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	var listener net.Listener
	var serving sync.WaitGroup
	open := func() error {
		if listener, err = listen(":" + port); err != nil {
			return err
		}
		serving.Go(func() { answerAll(listener) })
		return nil
	}
	shut := func() error {
		err := listener.Close()
		serving.Wait()
		return err
	}
	if err := open(); err != nil {
		return err
	}
	defer func() { _ = shut() }()
	return s.during(ctx, refused, shut, open)
}

// listen listens with plain TCP.
func listen(address string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), "tcp", address)
}

// answerAll answers every connection until the listener closes.
func answerAll(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
				_, _ = conn.Write(make([]byte, row))
			}
		}()
	}
}

// query asks the database one question.
func query(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := fmt.Fprintln(conn, "select * from goods"); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, row))
	return err
}
