package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const emptyTable = "# t\n\n" + begin + "\n" + end + "\n\nmore\n"

// folder holds a README and the results of runs.
type folder struct {
	t   *testing.T
	dir string
}

func newFolder(t *testing.T) folder {
	f := folder{t, t.TempDir()}
	f.write("README.md", emptyTable)
	return f
}

func (f folder) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) readme() string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "README.md"))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// found leaves what a kernel said: what the connection program lost and its hooks, and a verdict for every proof.
func (f folder) found(name, release, lost, hooks, verdict string) {
	f.t.Helper()
	var b strings.Builder
	b.WriteString(`CHECK {"kernel":"` + release + `","programs":[{"name":"connection","runs":true,"hooks":[` + hooks +
		`],"probed":["one","two"],"reductions":[` + lost + "]}]}\n")
	for _, p := range proofs() {
		for _, test := range p.tests {
			b.WriteString(verdict + " " + test + " 0.01s\n")
		}
	}
	f.write(name, b.String()+"END\n")
}

func (f folder) run(args ...string) (string, error) {
	var out strings.Builder
	for i, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			args[i] = filepath.Join(f.dir, arg)
		}
	}
	err := run(args, &out)
	return out.String(), err
}

func TestTheTableIsWhatWasFound(t *testing.T) {
	f := newFolder(t)
	f.found("5.10", "5.10.0-32", `{"name":"two"}`, `{"name":"a","runs":true}`, "SKIP")
	f.found("6.12-arm64", "6.12.1", "", `{"name":"a","runs":true},{"name":"b","runs":true}`, "PASS")
	f.found("host", "6.18.44-cloud", "", `{"name":"a","runs":true},{"name":"b","runs":false}`, "FAIL")
	if out, err := f.run("-write", "README.md", "5.10", "6.12-arm64", "host"); err != nil || out != "" {
		t.Fatalf("write: %v, %s", err, out)
	}
	text := f.readme()
	for _, want := range []string{
		"# t\n\n" + begin + "\n\n| | 5.10 | 6.12 arm64 | 6.18 (host) |\n|---|---|---|---|\n",
		"| " + proofs()[0].words + " | – | ✓ | ✗ |\n",
		"| `connection`, reduction `two` | – | ✓ | ✓ |\n",
		"| `connection`, hook `b` |  | ✓ | – |\n",
		"|\n\n" + end + "\n\nmore\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks\n%s\nin\n%s", want, text)
		}
	}
	if out, err := f.run("README.md", "5.10", "6.12-arm64", "host"); err != nil || out != "" {
		t.Errorf("compare with itself: %v, %s", err, out)
	}
	if out, err := f.run("README.md", "6.12-arm64"); err != nil || out != "" {
		t.Errorf("compare one kernel: %v, %s", err, out)
	}
}

func TestDriftFails(t *testing.T) {
	f := newFolder(t)
	f.found("5.10", "5.10.0", "", "", "PASS")
	f.found("host", "6.18.1", "", "", "PASS")
	if _, err := f.run("-write", "README.md", "5.10", "host"); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func()
		kernel string
		want   string
	}{
		"a reduction more":   {func() { f.found("5.10", "5.10.0", `{"name":"one"}`, "", "PASS") }, "5.10", "`connection`, reduction `one` on 5.10: \"✓\" in the README, \"–\" found"},
		"a hook more":        {func() { f.found("5.10", "5.10.0", "", `{"name":"a"}`, "PASS") }, "5.10", "hook `a` on 5.10: \"\" in the README"},
		"a test that skips":  {func() { f.found("5.10", "5.10.0", "", "", "SKIP") }, "5.10", proofs()[0].words + " on 5.10"},
		"a kernel more":      {func() { f.found("6.1", "6.1.0", "", "", "PASS") }, "6.1", "on 6.1: \"\" in the README"},
		"the host changed":   {func() { f.found("host", "6.18.2", "", "", "SKIP") }, "host", "on 6.18 (host)"},
		"a test did not run": {func() { f.write("5.10", `CHECK {"programs":[{"name":"connection"}]}`) }, "5.10", `"✗" found`},
	} {
		t.Run(name, func(t *testing.T) {
			tc.change()
			out, err := f.run("README.md", tc.kernel)
			if !errors.Is(err, errDrift) || !strings.Contains(out, tc.want) {
				t.Errorf("%v, %q, want drift with %q", err, out, tc.want)
			}
		})
	}
	f.found("host", "6.19.0", "", "", "SKIP")
	if out, err := f.run("README.md", "host"); err != nil || !strings.Contains(out, "6.19 (host), which is not compared") {
		t.Errorf("a host of another series: %v, %s", err, out)
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	f := newFolder(t)
	f.found("5.10", "5.10.0", "", "", "PASS")
	f.write("dead", "KERNEL 5.10.0\nPASS a TestA 0.01s\n")
	f.write("garbled", "CHECK {\n")
	f.write("without.md", "# t\n")
	for want, args := range map[string][]string{
		"want a README and results":     {"README.md"},
		"no such file":                  {"README.md", "absent"},
		"holds nothing of kerntap":      {"README.md", "dead"},
		"read what kerntap check said":  {"README.md", "garbled"},
		"find the table":                {"without.md", "5.10"},
		"find the table: ":              {"-write", "without.md", "5.10"},
		"flag provided but not defined": {"-wirte", "README.md", "5.10"},
	} {
		if _, err := f.run(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}
