package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// binary is one test binary: the file test in the folder of its package.
type binary struct {
	name string // of the package
	dir  string
	args []string
}

// readPlan reads a list of test binaries, one a line: the folder of the package, which lies beside the list, and arguments.
func readPlan(path string) ([]binary, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	var plan []binary
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 0 {
			plan = append(plan, binary{name: words[0], dir: filepath.Join(filepath.Dir(path), words[0]), args: words[1:]})
		}
	}
	return plan, nil
}

// run runs the tests where go test would and reports each on the console as soon as it has ended.
func (b binary) run(console io.Writer) {
	results := newResults(console, b.name)
	cmd := exec.Command("./test", append([]string{"-test.v"}, b.args...)...)
	cmd.Dir = b.dir
	cmd.Env = []string{"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp", "REQUIRE_BPF=1"}
	cmd.Stdout, cmd.Stderr = results, results
	results.end(cmd.Run())
}
