package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// stage is the network that the demo's connections use and nobody else (RFC 5737): what else happens on the host is
// in the file, but not in the story.
var stage = netip.MustParsePrefix("192.0.2.0/24")

// series is a metric and its attributes, as they are printed.
type series struct{ name, attributes string }

// account is what the story tells: the records of the stage, and each series as it stood last.
type account struct {
	records []logRecord
	points  map[series]point
	units   map[string]string
}

func story(path string, out io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read what the collector wrote: %w", err)
	}
	defer func() { _ = file.Close() }()
	a, err := read(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if len(a.records) == 0 {
		return fmt.Errorf("%s tells nothing about %v", path, stage)
	}
	a.tell(out)
	return nil
}

// read takes whole lines. The last may be cut off where the collector was still writing.
func read(in io.Reader) (account, error) {
	a := account{points: map[series]point{}, units: map[string]string{}}
	decoder := json.NewDecoder(in)
	for {
		var l line
		err := decoder.Decode(&l)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return account{}, fmt.Errorf("decode a line: %w", err)
		}
		a.add(l)
	}
	slices.SortStableFunc(a.records, func(x, y logRecord) int { return cmp.Compare(x.TimeUnixNano, y.TimeUnixNano) })
	return a, nil
}

func (a *account) add(l line) {
	for _, r := range l.ResourceLogs {
		for _, s := range r.ScopeLogs {
			a.records = append(a.records, slices.DeleteFunc(s.LogRecords, func(r logRecord) bool { return !r.onStage() })...)
		}
	}
	for _, r := range l.ResourceMetrics {
		for _, s := range r.ScopeMetrics {
			for _, m := range s.Metrics {
				a.addMetric(m)
			}
		}
	}
}

func (a *account) addMetric(m metric) {
	data := m.Sum
	if m.Histogram != nil {
		data = m.Histogram
	}
	if data == nil {
		return
	}
	a.units[m.Name] = m.Unit
	for _, p := range data.DataPoints {
		key := series{m.Name, p.Attributes.String()}
		if p.TimeUnixNano >= a.points[key].TimeUnixNano {
			a.points[key] = p
		}
	}
}

// onStage tells whether one of the record's ends is in the demo's network.
func (r logRecord) onStage() bool {
	for _, key := range []string{"network.local.address", "network.peer.address", "source.address", "destination.address"} {
		if address, err := netip.ParseAddr(r.Attributes.get(key)); err == nil && stage.Contains(address) {
			return true
		}
	}
	return false
}

// tell prints the records in the order of their time, then the metric points that these commands and drops are in.
func (a account) tell(out io.Writer) {
	actors := map[string]bool{}
	fmt.Fprintln(out, "log records:")
	for _, r := range a.records {
		actors[r.Attributes.get("kerntap.command")] = true
		actors[r.Attributes.get("kerntap.drop.reason")] = true
		fmt.Fprintf(out, "  %s %-5s %s\n", clock(r.TimeUnixNano), r.SeverityText, r.Body)
		fmt.Fprintf(out, "               %s  %s\n", r.EventName, r.details())
	}
	delete(actors, "")
	fmt.Fprintln(out, "metric points:")
	for _, key := range slices.SortedFunc(maps.Keys(a.points), compareSeries) {
		p := a.points[key]
		if actors[p.Attributes.get("kerntap.command")] || actors[p.Attributes.get("kerntap.drop.reason")] {
			fmt.Fprintf(out, "  %s{%s} %s\n", key.name, key.attributes, p.describe(a.units[key.name]))
		}
	}
}

// details are the attributes by which a backend would group and alert.
func (r logRecord) details() string {
	var words []string
	for _, key := range []string{"error.type", "kerntap.drop.reason", "kerntap.drop.class", "kerntap.tcp.role", "process.pid"} {
		if text := r.Attributes.get(key); text != "" {
			words = append(words, key+"="+text)
		}
	}
	return strings.Join(words, " ")
}

func (p point) describe(unit string) string {
	if p.Count > 0 {
		return fmt.Sprintf("%d, together %.3g %s", p.Count, p.Sum, unit)
	}
	return fmt.Sprintf("%d %s", p.AsInt, unit)
}

// String writes the attributes as Prometheus would, sorted.
func (a attributes) String() string {
	words := make([]string, 0, len(a))
	for _, attribute := range a {
		words = append(words, attribute.Key+"="+attribute.Value.String())
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func compareSeries(x, y series) int {
	return cmp.Or(strings.Compare(x.name, y.name), strings.Compare(x.attributes, y.attributes))
}
