package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheDashboardsAreWhatThePanelsSay(t *testing.T) {
	for _, d := range dashboards() {
		want, err := d.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(d.file)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not what its panels say (%v): go run ./examples/grafana", d.file, err)
		}
	}
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) != len(dashboards()) {
		t.Errorf("%v, files %v", err, files)
	}
}

func TestPanelsFitAndSayWhatTheyAreFor(t *testing.T) {
	for _, d := range dashboards() {
		titles := make(map[string]bool)
		for _, p := range d.panels {
			width, _ := p.size()
			if width > columns || p.help == "" || !strings.HasSuffix(p.help, ".") || len(p.queries) == 0 || titles[p.title] {
				t.Errorf("%s: %+v", d.file, p)
			}
			titles[p.title] = true
			for _, q := range p.queries {
				if strings.Contains(q.expr, "rate(") && !strings.Contains(q.expr, "[$__rate_interval]") {
					t.Errorf("%s, %s: a rate over a fixed time misleads on other scales", d.file, p.title)
				}
			}
		}
	}
}
