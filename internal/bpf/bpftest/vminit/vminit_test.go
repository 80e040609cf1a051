package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

const passing = `=== RUN   TestOne
    one_test.go:7: a word that nobody needs
--- PASS: TestOne (0.01s)
=== RUN   TestTwo
=== RUN   TestTwo/sub
    two_test.go:9: 3, want 4
=== RUN   TestTwo/other
--- FAIL: TestTwo (2.50s)
    --- FAIL: TestTwo/sub (1.20s)
    --- PASS: TestTwo/other (1.30s)
=== RUN   TestThree
    three_test.go:1: needs a tool
--- SKIP: TestThree (0.00s)
FAIL
`

func TestResults(t *testing.T) {
	crash := "=== RUN   TestOne\n--- PASS: TestOne (0.01s)\n=== RUN   TestTwo\npanic: test timed out after 1s\n"
	for name, tc := range map[string]struct {
		output, want string
		err          error
	}{
		"every verdict": {passing, "vm: PASS p TestOne 0.01s\n" +
			"vm: FAIL p TestTwo 2.50s\nvm|     two_test.go:9: 3, want 4\n" +
			"vm|     --- FAIL: TestTwo/sub (1.20s)\nvm|     --- PASS: TestTwo/other (1.30s)\n" +
			"vm: SKIP p TestThree 0.00s\nvm|     three_test.go:1: needs a tool\n", errors.New("exit status 1")},
		"a crash": {crash, "vm: PASS p TestOne 0.01s\nvm: FAIL p TestTwo exit status 2\n" +
			"vm| panic: test timed out after 1s\n", errors.New("exit status 2")},
		"leaks after the last test": {"=== RUN   TestOne\n--- PASS: TestOne (0.01s)\nPASS\ngoleak: found goroutines",
			"vm: PASS p TestOne 0.01s\nvm: FAIL p (the binary) exit status 1\nvm| goleak: found goroutines\n", errors.New("exit status 1")},
		"a subtest is skipped": {"=== RUN   TestOne\n=== RUN   TestOne/sub\n    one_test.go:7: needs a tool\n" +
			"--- PASS: TestOne (0.01s)\n    --- SKIP: TestOne/sub (0.00s)\nPASS\n",
			"vm: PASS p TestOne 0.01s\nvm|     --- SKIP: TestOne/sub (0.00s)\n", nil},
		"no tests":          {"testing: warning: no tests to run\nPASS\n", "", nil},
		"it does not start": {"", "vm: FAIL p (the binary) no such file\n", errors.New("no such file")},
	} {
		t.Run(name, func(t *testing.T) {
			var console strings.Builder
			results := newResults(&console, "p")
			if _, err := io.Copy(results, iotest.OneByteReader(strings.NewReader(tc.output))); err != nil {
				t.Fatal(err)
			}
			results.end(tc.err)
			if console.String() != tc.want {
				t.Errorf("reported\n%s\nwant\n%s", console.String(), tc.want)
			}
		})
	}
}

func TestManyWordsAreCut(t *testing.T) {
	var console strings.Builder
	results := newResults(&console, "p")
	io.WriteString(results, "=== RUN   TestOne\n"+strings.Repeat("    a word\n", mostWords+2)+"--- FAIL: TestOne (0.01s)\n")
	results.end(errors.New("exit status 1"))
	if n := strings.Count(console.String(), "a word"); n != mostWords || !strings.Contains(console.String(), "… and 2 lines more") {
		t.Errorf("%d words, want %d and how many more there were:\n%s", n, mostWords, console.String())
	}
}

func TestReadPlan(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "plan")
	if err := os.WriteFile(path, []byte("internal/a -test.short -test.run=X\n\ninternal/b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := readPlan(path)
	want := []binary{
		{"internal/a", filepath.Join(dir, "internal/a"), []string{"-test.short", "-test.run=X"}},
		{"internal/b", filepath.Join(dir, "internal/b"), []string{}},
	}
	if err != nil || !reflect.DeepEqual(plan, want) {
		t.Errorf("%v, %v, want %v", plan, err, want)
	}
	if _, err := readPlan(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent plan: %v", err)
	}
}

func TestChosen(t *testing.T) {
	for words, want := range map[string]string{
		"[none] integrity confidentiality\n": "none",
		"none integrity [confidentiality]\n": "confidentiality",
		"":                                   "none",
	} {
		if got := chosen(words); got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
}

func TestCheckIsOneLine(t *testing.T) {
	for name, tc := range map[string]struct{ script, line, failure string }{
		"it runs":         {`printf '{\n  "runs": true\n}\n'`, `vm: CHECK {"runs":true}` + "\n", ""},
		"nothing can run": {`printf '{\n  "runs": false\n}\n'; exit 1`, `vm: CHECK {"runs":false}` + "\n", ""},
		"it dies":         {"exit 2", "", "exit status 2"},
		"it says nothing": {"exit 0", "", "unexpected end of JSON"},
		"it is cut":       {`printf '{"runs"'`, "", "unexpected end of JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			kerntap := filepath.Join(t.TempDir(), "kerntap")
			if err := os.WriteFile(kerntap, []byte("#!/bin/sh\n"+tc.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			var console strings.Builder
			err := check(&console, kerntap)
			if (err == nil) != (tc.failure == "") || err != nil && !strings.Contains(err.Error(), tc.failure) {
				t.Errorf("%v, want %q", err, tc.failure)
			}
			if console.String() != tc.line {
				t.Errorf("said %q, want %q", console.String(), tc.line)
			}
		})
	}
}
