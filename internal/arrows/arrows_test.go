// Package arrows holds the law of who may import whom: data flows one way, from the kernel to the exporters.
package arrows

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kerntap/kerntap/"

// allowed lists, for every package of kerntap, the packages of kerntap that it may import.
var allowed = map[string][]string{
	"cmd/kerntap": {"internal/api", "internal/bpf", "internal/bpf/programs", "internal/client", "internal/config",
		"internal/export", "internal/filter", "internal/footprint", "internal/kernel", "internal/live", "internal/top"},
	"internal/api":                     {"internal/bpf", "internal/telemetry"},
	"internal/arrows":                  {},
	"internal/bpf":                     {"internal/filter", "internal/kernel", "internal/telemetry", "internal/workload"},
	"internal/bpf/bpftest":             {"internal/bpf", "internal/kernel"},
	"internal/bpf/bpftest/kerneltable": {},
	"internal/bpf/bpftest/vminit":      {},
	"internal/bpf/bpftest/storm":       {},
	"internal/bpf/programs": {"internal/bpf", "internal/bpf/programs/connection", "internal/bpf/programs/packet_drop",
		"internal/bpf/programs/tcp_trouble"},
	"internal/bpf/programs/connection":  {"internal/bpf", "internal/kernel", "internal/telemetry"},
	"internal/bpf/programs/packet_drop": {"internal/bpf", "internal/kernel", "internal/telemetry"},
	"internal/client":                   {"internal/api"},
	"internal/bpf/programs/tcp_trouble": {"internal/bpf", "internal/kernel", "internal/telemetry"},
	"internal/config":                   {"internal/filter"},
	"internal/export":                   {"internal/bpf", "internal/telemetry", "internal/workload"},
	"internal/filter":                   {},
	"internal/footprint":                {},
	"internal/kernel":                   {},
	"internal/live":                     {"internal/api", "internal/client", "internal/telemetry"},
	"internal/telemetry":                {},
	"internal/top":                      {"internal/api", "internal/client", "internal/live"},
	"internal/workload":                 {},
	"examples/add-a-program":            {"internal/bpf", "internal/telemetry"},
	"examples/collector":                {},
	"examples/demo":                     {},
	"examples/docker-compose":           {},
	"examples/docker-compose/shop":      {},
	"examples/grafana":                  {},
	"examples/prometheus":               {},
	"scripts/image":                     {},
	"scripts/reference": {"internal/api", "internal/bpf/programs", "internal/bpf/programs/connection",
		"internal/bpf/programs/packet_drop", "internal/bpf/programs/tcp_trouble", "internal/client", "internal/config"},
	"examples/systemd": {},
}

// foreign lists who alone may import a library whose presence would bend an arrow.
var foreign = map[string][]string{
	"go.opentelemetry.io/":       {"internal/export"},
	"google.golang.org/":         {"internal/export"},
	"github.com/prometheus/":     {"internal/client", "internal/export"},
	"charm.land/":                {"internal/top"},
	"github.com/spf13/cobra":     {"cmd/kerntap"},
	"go.yaml.in/yaml":            {"internal/config"},
	"github.com/cilium/ebpf":     {"internal/bpf", "internal/bpf/programs/connection", "internal/bpf/programs/packet_drop", "internal/bpf/programs/tcp_trouble", "internal/kernel", "internal/bpf/bpftest", "examples/add-a-program"},
	"github.com/vishvananda/":    {"internal/bpf/bpftest"},
	"kernel.org/pub/linux/libs/": {"internal/kernel"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		row, known := allowed[name]
		if !known {
			t.Errorf("%s has no row in the table of arrows", name)
		}
		for _, imported := range p.Imports {
			if own, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(row, own) {
				t.Errorf("%s imports %s, which its row does not list", name, own)
			}
			for library, importers := range foreign {
				if strings.HasPrefix(imported, library) && !slices.Contains(importers, name) {
					t.Errorf("%s imports %s, which belongs to %s", name, imported, strings.Join(importers, ", "))
				}
			}
		}
	}
}
