package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

func TestEveryProblemHasItsTurn(t *testing.T) {
	s := shop{period: time.Minute}
	begin := time.Unix(0, 0)
	for i := range 2 * int(problems) {
		want := problem(i % int(problems))
		for _, at := range []time.Duration{0, time.Minute - 1} {
			if got := s.at(begin.Add(time.Duration(i)*time.Minute + at)); got != want || got.String() == "" {
				t.Errorf("in minute %d it is %s, want %s", i, got, want)
			}
		}
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for _, test := range []struct{ name, period string }{{"shop", ""}, {"api", "soon"}, {"api", "1ms"}} {
		if run(t.Context(), test.name, func(string) string { return test.period }) == nil {
			t.Errorf("%v is taken", test)
		}
	}
}

// always is a shop in which the problem is what it is for the next minutes.
func always(p problem) shop {
	// the period is chosen so that this moment lies in the middle of the problem's
	for period := time.Hour; ; period += time.Minute {
		s := shop{period, "127.0.0.1:8080", "127.0.0.1:5432"}
		if s.now() == p && s.at(time.Now().Add(time.Minute)) == p {
			return s
		}
	}
}

func TestTheFirewallsRulesComeAndGo(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	bpftest.RequireTool(t, "nft")
	for wrong, rule := range map[problem]string{
		blocked: "tcp dport 5432 counter",
		lossy:   "tcp sport 5432 numgen random mod 5 0 counter",
	} {
		parts := ns.StartHelper(t, "kt-trouble", "trouble", always(wrong).period.String())
		until(t, func() bool { return strings.Contains(ns.Run(t, "nft", "list", "ruleset"), rule) })
		parts.End(t)
		if rules := ns.Run(t, "nft", "list", "ruleset"); strings.Contains(rules, "shop") {
			t.Errorf("rules stay behind:\n%s", rules)
		}
	}
}

func TestMain(m *testing.M) {
	bpftest.RunHelper(map[string]bpftest.Helper{"trouble": troubled})
	os.Exit(m.Run())
}

// troubled is the shop's trouble, with the period args[0], until its input ends.
func troubled(args []string, in io.Reader, _ io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	period, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	return trouble(ctx, shop{period, "127.0.0.1:8080", "127.0.0.1:5432"})
}

func until(t *testing.T, so func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for !so() {
		select {
		case <-retry.C:
		case <-deadline:
			t.Fatal("it did not come true")
		}
	}
}

func TestTheDatabaseRefusesWhenItIsToRefuse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	for p, want := range map[problem]error{nothing: nil, refused: syscall.ECONNREFUSED} {
		s := always(p)
		s.address = address
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- database(ctx, s) }()
		until(t, func() bool { return errors.Is(query(ctx, address), want) })
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestReadyIsWhetherSomethingListensThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	if err := ready([]string{port}); err != nil {
		t.Error(err)
	}
	listener.Close()
	if err := ready([]string{port}); err == nil {
		t.Errorf("port %s is listened at", port)
	}
	for _, bad := range [][]string{nil, {"http"}, {"65536"}, {"1", "2"}} {
		if err := ready(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
