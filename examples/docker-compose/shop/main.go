// Command shop is a small shop that is watched: a client asks the API for a page, the API asks the database. It is one
// binary that is what it is called: client, api, database, or trouble, which spoils the network of the API's container; and
// ready, which is the health check of those that listen.
//
// Every period (SHOP_PERIOD, a minute by default) another real problem comes, or none, by the clock that all containers
// share. The shop swallows its errors, as services do: what is wrong, kerntap tells.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// problem is what is wrong in a period.
type problem int

const (
	// nothing is wrong.
	nothing problem = iota
	// refused: the database does not listen.
	refused
	// fullQueue: the API does not accept, and its listen queue is short.
	fullQueue
	// blocked: a firewall rule drops what the API sends to the database.
	blocked
	// lossy: every fifth packet between API and database is lost.
	lossy
	problems
)

// String names the problem for people.
func (p problem) String() string {
	return [...]string{"nothing is wrong", "the database does not listen", "the API's listen queue is full",
		"a firewall rule drops packets to the database", "every fifth packet from the database is lost"}[p]
}

// shop is what all its parts are told.
type shop struct {
	period              time.Duration
	apiAddress, address string // the API's, the database's
}

// now returns what is wrong at the moment.
func (s shop) now() problem { return s.at(time.Now()) }

func (s shop) at(t time.Time) problem {
	return problem(t.UnixNano() / int64(s.period) % int64(problems))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	name, err := filepath.Base(os.Args[0]), error(nil)
	if name == "ready" {
		err = ready(os.Args[1:])
	} else {
		err = run(ctx, name, os.Getenv)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, getenv func(string) string) error {
	s := shop{time.Minute, "api:8080", "database:5432"}
	if text := getenv("SHOP_PERIOD"); text != "" {
		var err error
		if s.period, err = time.ParseDuration(text); err != nil || s.period < time.Second {
			return fmt.Errorf("SHOP_PERIOD is %q: give a duration such as 1m, at least 1s", text)
		}
	}
	part, ok := map[string]func(context.Context, shop) error{
		"client": client, "api": api, "database": database, "trouble": trouble,
	}[name]
	if !ok {
		return errors.New("it is called client, api, database, trouble or ready, not " + name)
	}
	return part(ctx, s)
}

// during calls do when the problem begins and undo when it ends, until ctx ends.
func (s shop) during(ctx context.Context, wrong problem, do, undo func() error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for is := false; ; {
		switch must := s.now() == wrong && ctx.Err() == nil; {
		case must && !is:
			if err := do(); err != nil {
				return err
			}
			is = true
		case !must && is:
			if err := undo(); err != nil {
				return err
			}
			is = false
		}
		select {
		case <-ctx.Done():
			if is {
				return undo()
			}
			return nil
		case <-tick.C:
		}
	}
}
