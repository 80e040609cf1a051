package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// host is the name of the results of the machine that boots the others, hostMark what its column ends in.
const (
	host     = "host"
	hostMark = " (host)"
)

// results are what a run found out about one kernel.
type results struct {
	kernel string // as scripts/test-kernels.sh names it; the host's by its series
	check  check
	// tests holds the verdict, PASS, FAIL or SKIP, of each test by the package's folder and the test's name.
	tests map[string]string
}

// check is the part of kerntap check --json that the table tells.
type check struct {
	Kernel   string
	Kept     []string // capabilities
	Programs []struct {
		Name  string
		Runs  bool
		Hooks []hook
		// Probed are the reductions that the program could have, Reductions those that it has.
		Probed     []string
		Reductions []struct{ Name string }
	}
}

type hook struct {
	Name string
	Runs bool
}

func readResults(path string) (results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return results{}, fmt.Errorf("read results: %w", err)
	}
	r := results{kernel: filepath.Base(path), tests: make(map[string]string)}
	for line := range strings.Lines(string(text)) {
		verdict, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verdict {
		case "CHECK":
			if err := json.Unmarshal([]byte(rest), &r.check); err != nil {
				return results{}, fmt.Errorf("read what kerntap check said in %s: %w", path, err)
			}
		case "PASS", "FAIL", "SKIP":
			if words := strings.Fields(rest); len(words) >= 2 {
				r.tests[words[0]+" "+words[1]] = verdict
			}
		}
	}
	if len(r.check.Programs) == 0 {
		return results{}, fmt.Errorf("read results: %s holds nothing of kerntap check", path)
	}
	if r.kernel == host {
		r.kernel = series(r.check.Kernel) + hostMark
	}
	r.kernel = strings.Replace(r.kernel, "-", " ", 1)
	return r, nil
}

// series cuts a release to the two numbers that name its series, as 6.18 of 6.18.44-cloud.
func series(release string) string {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return release
	}
	return parts[0] + "." + parts[1]
}
