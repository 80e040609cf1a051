package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

// api answers pages out of the database, unless it is too busy to accept.
func api(ctx context.Context, s shop) error {
	_, port, err := net.SplitHostPort(s.apiAddress)
	if err != nil {
		return err
	}
	listener, err := listen(":" + port)
	if err != nil {
		return err
	}
	if err := shorten(listener); err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := query(r.Context(), s.address); err != nil {
			http.Error(w, "sorry, try again later", http.StatusBadGateway) // as helpful as most
		}
	})}
	server.SetKeepAlivesEnabled(false)
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(&lazy{listener, s}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// lazy is a listener that does not accept while its queue is to be full.
type lazy struct {
	net.Listener
	shop shop
}

func (l *lazy) Accept() (net.Conn, error) {
	for l.shop.now() == fullQueue {
		<-time.After(50 * time.Millisecond)
	}
	return l.Listener.Accept()
}

// shorten makes a listener's queue as short as it can be.
func shorten(listener net.Listener) error {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("%T is no TCP listener", listener)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { failure = syscall.Listen(int(fd), 1) })
	return errors.Join(err, failure)
}

// client asks the API for pages, five a second, whatever becomes of them.
func client(ctx context.Context, s shop) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	asking := http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
	}}
	said := problem(-1)
	for {
		if p := s.now(); p != said {
			fmt.Println(time.Now().UTC().Format(time.TimeOnly), p)
			said = p
		}
		go func() {
			if response, err := asking.Get("http://" + s.apiAddress + "/"); err == nil {
				_ = response.Body.Close()
			}
		}()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
