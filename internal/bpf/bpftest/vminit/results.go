package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// mostWords is how many lines of a failed test are repeated: a test may complain of every packet that it sent.
const mostWords = 60

// results turns what a test binary writes under -test.v into one line a test, with the words of those that did not
// pass, and the subtests that were skipped of those that did. Subtests are words of the test that they belong to.
type results struct {
	console io.Writer
	name    string // of the package

	rest    []byte // of a line whose end has not come
	test    string // that runs or has just ended; "" before the first
	verdict string // "" while it runs
	took    string
	words   []string
	skipped []string // subtests
	omitted int
	failed  bool // any of them
}

func newResults(console io.Writer, name string) *results {
	return &results{console: console, name: name}
}

// Write takes the binary's output in pieces of any size.
func (r *results) Write(piece []byte) (int, error) {
	r.rest = append(r.rest, piece...)
	for {
		line, rest, found := bytes.Cut(r.rest, []byte("\n"))
		if !found {
			return len(piece), nil
		}
		r.line(string(line))
		r.rest = rest
	}
}

func (r *results) line(line string) {
	if test, ok := strings.CutPrefix(line, "=== RUN   "); ok {
		if !strings.Contains(test, "/") {
			r.flush()
			r.test = test
		}
		return
	}
	if ended, ok := strings.CutPrefix(line, "--- "); ok {
		if verdict, took, ok := strings.Cut(ended, ": "+r.test+" ("); ok {
			r.verdict, r.took = verdict, strings.TrimSuffix(took, ")")
			return
		}
	}
	if strings.HasPrefix(strings.TrimLeft(line, " "), "--- SKIP: ") && len(r.skipped) < mostWords {
		r.skipped = append(r.skipped, line)
	}
	switch {
	case line == "PASS" || line == "FAIL" || line == "" || strings.HasPrefix(line, "=== "):
	case len(r.words) < mostWords:
		r.words = append(r.words, line)
	default:
		r.omitted++
	}
}

// end reports the last test and the binary itself, if it failed for another reason than one of its tests.
func (r *results) end(err error) {
	if len(r.rest) > 0 {
		r.line(string(r.rest))
	}
	if err != nil && r.test != "" && r.verdict == "" {
		r.verdict, r.took = "FAIL", err.Error() // it took the whole binary with it
	}
	words := r.words // the last of them may be the binary's own: what tests left running shows after the last
	r.flush()
	if err != nil && !r.failed {
		r.test, r.verdict, r.took, r.words = "(the binary)", "FAIL", err.Error(), words
		r.flush()
	}
}

// flush reports the test that has ended. Words before the first test wait for the binary's end.
func (r *results) flush() {
	if r.test == "" {
		return
	}
	fmt.Fprintf(r.console, "vm: %s %s %s %s\n", r.verdict, r.name, r.test, r.took)
	r.failed = r.failed || r.verdict == "FAIL"
	words := r.words
	if r.verdict == "PASS" {
		words, r.omitted = r.skipped, 0
	}
	for _, word := range words {
		fmt.Fprintf(r.console, "vm| %s\n", word)
	}
	if r.omitted > 0 {
		fmt.Fprintf(r.console, "vm| … and %d lines more\n", r.omitted)
	}
	r.test, r.verdict, r.took, r.words, r.skipped, r.omitted = "", "", "", nil, nil, 0
}
