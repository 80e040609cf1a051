// Command grafana writes the dashboards beside it: four JSON files from the panels in overview.go, connections.go,
// drops.go and self.go. A test compares them, and another asks a real Prometheus each panel's question.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// kind is how a panel shows what it is answered.
type kind string

const (
	series kind = "timeseries"
	number kind = "stat"
	logs   kind = "logs"
)

// panel is one question and how its answer is shown.
type panel struct {
	kind  kind
	title string
	// help says what the reader learns, and what to do next.
	help string
	// unit is Grafana's name of the unit.
	unit    string
	queries []query
	// width is in Grafana's columns, of which there are 24; 0 means half of them.
	width int
}

// query is one question in PromQL, or for logs in LogQL, and how its series are called.
type query struct{ expr, legend string }

// dashboard is one file.
type dashboard struct {
	file, title, about string
	panels             []panel
}

func dashboards() []dashboard {
	return []dashboard{overview(), connections(), drops(), self()}
}

func main() {
	for _, d := range dashboards() {
		if err := d.write("examples/grafana"); err != nil {
			fmt.Fprintln(os.Stderr, "grafana:", err)
			os.Exit(1)
		}
	}
}

func (d dashboard) write(dir string) error {
	text, err := d.encode()
	if err != nil {
		return fmt.Errorf("encode %s: %w", d.file, err)
	}
	return os.WriteFile(filepath.Join(dir, d.file), text, 0o644)
}

// encode returns the dashboard as Grafana reads it.
func (d dashboard) encode() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(d.model())
	return out.Bytes(), err
}
