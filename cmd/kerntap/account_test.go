package main

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/kerntap/kerntap/internal/api"
)

// fact names one counter of the way of events from the kernel to a collector, wherever it is told.
type fact struct{ of, program, outcome, cause string }

// facts are such counters. Those that are zero are left out: not every door tells them.
type facts map[fact]uint64

func (f facts) add(of, program, outcome, cause string, n uint64) {
	if n > 0 {
		f[fact{of, program, outcome, cause}] += n
	}
}

// steady leaves out what other network namespaces add to all the time.
func (f facts) steady() facts {
	f = maps.Clone(f)
	maps.DeleteFunc(f, func(one fact, _ uint64) bool { return one.outcome == "filtered" || one.outcome == "missed" })
	return f
}

// account is what /health says of that way.
type account struct {
	Programs []api.Program
	Exporter api.ExporterStatus
}

func healthAccount(t *testing.T, address string) (a account) {
	t.Helper()
	call(t, http.MethodGet, "http://"+address+"/health", "", &a)
	return a
}

func (a account) facts() facts {
	all := make(facts)
	for _, p := range a.Programs {
		c := p.Counters
		for outcome, n := range map[string]uint64{"recorded": c.Recorded, "throttled": c.Throttled, "counted": c.Counted,
			"lost": c.Lost, "filtered": c.Filtered, "missed": c.Missed} {
			all.add("program_events", p.Name, outcome, "", n)
		}
		for outcome, n := range map[string]uint64{"delivered": c.Delivered, "dropped": c.Dropped, "undecodable": c.Undecodable} {
			all.add("program_records", p.Name, outcome, "", n)
		}
	}
	for _, d := range a.Exporter.Destinations {
		if d.Logs == nil {
			continue
		}
		all.add("exporter_records", "", "exported", "", d.Logs.Exported)
		for outcome, causes := range map[string]map[string]uint64{"dropped": d.Logs.Dropped, "failed": d.Logs.Failed} {
			for cause, n := range causes {
				all.add("exporter_records", "", outcome, cause, n)
			}
		}
	}
	return all
}

// complaint is what does not add up, "" where all does and nothing is under way any more.
func (a account) complaint() string {
	var delivered uint64
	for _, p := range a.Programs {
		c := p.Counters
		delivered += c.Delivered
		if c.Tallied != c.Recorded+c.Throttled+c.Counted+c.Lost || c.Recorded != c.Undecodable+c.Dropped+c.Delivered {
			return fmt.Sprintf("%s does not add up: %+v", p.Name, c)
		}
	}
	e := a.Exporter
	if len(a.Programs) == 0 || delivered != e.Emitted || e.Emitted != e.Exported+e.Dropped+e.Failed {
		return fmt.Sprintf("%d records were delivered by %d programs, the exporter: %+v", delivered, len(a.Programs), e)
	}
	return ""
}

// checkAccount returns what was counted once nothing is under way any more. It fails unless the ledger, the samples, the
// records and their exports add up then, to the unit and program by program, and /metrics says the same as /health.
func checkAccount(t *testing.T, address string) facts {
	t.Helper()
	var is facts
	settle(t, func() string {
		a := healthAccount(t, address)
		if complaint := a.complaint(); complaint != "" {
			return complaint
		}
		is = a.facts()
		shown := exposedFacts(t, address)
		if !maps.Equal(is, healthAccount(t, address).facts()) {
			return "it goes on"
		}
		if !maps.Equal(is, shown) {
			return fmt.Sprintf("/health says %v, /metrics %v", is, shown)
		}
		return ""
	})
	return is
}

// settle returns once nothing is to be complained of, and fails with the complaint that stays.
func settle(t *testing.T, complaint func() string) {
	t.Helper()
	deadline := time.After(bpftestPatience)
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		is := complaint()
		if is == "" {
			return
		}
		select {
		case <-retry.C:
		case <-deadline:
			t.Error(is)
			return
		}
	}
}

// exposedCounter is a line of the exposition, which writes a million as 1e+06.
var exposedCounter = regexp.MustCompile(
	`(?m)^kerntap_(program_events|program_records|exporter_records)_total\{(.*)\} ([0-9.e+]+)$`)

// exposedFacts are what /metrics says.
func exposedFacts(t *testing.T, address string) facts {
	t.Helper()
	all := make(facts)
	for _, line := range exposedCounter.FindAllStringSubmatch(exposition(t, address), -1) {
		labels := make(map[string]string)
		for label := range strings.SplitSeq(line[2], ",") {
			name, value, _ := strings.Cut(label, "=")
			labels[name] = strings.Trim(value, `"`)
		}
		n, err := strconv.ParseFloat(line[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		all.add(line[1], labels["kerntap_program_name"], labels["kerntap_outcome"], labels["error_type"], uint64(n))
	}
	return all
}

// toldFacts are what a request of OTLP says.
func toldFacts(request pmetric.Metrics) facts {
	all := make(facts)
	for metric := range metricsOf(request) {
		of, isOurs := strings.CutPrefix(strings.ReplaceAll(metric.Name(), ".", "_"), "kerntap_")
		if !isOurs || of != "program_events" && of != "program_records" && of != "exporter_records" {
			continue
		}
		for _, point := range metric.Sum().DataPoints().All() {
			word := func(key string) string {
				value, _ := point.Attributes().Get(key)
				return value.Str()
			}
			all.add(of, word("kerntap.program.name"), word("kerntap.outcome"), word("error.type"), uint64(point.IntValue()))
		}
	}
	return all
}

// awaitFinalAccount returns once kerntap's last metrics are written, and fails unless they say what /health said.
func (c *otelcol) awaitFinalAccount(t *testing.T, want facts) {
	t.Helper()
	settle(t, func() string {
		told := make(facts)
		for _, request := range requestsIn(t, c.file) {
			if one := toldFacts(request); len(one) > 0 {
				told = one
			}
		}
		if !maps.Equal(told.steady(), want.steady()) {
			return fmt.Sprintf("over OTLP it says %v, /health said %v", told, want)
		}
		return ""
	})
}
