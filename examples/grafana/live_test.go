package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

const (
	command = "kt-panels" // who is in trouble
	host    = "kt-panelsrv"
	visitor = "kt-panelfar" // whose times are known
	rounds  = 10
	// window is longer than the test takes: then the increase within it is all that there was since the first look.
	window = 120
)

// answer is what a panel must show: a series with these labels (name=value, separated by commas) and a value in this span.
type answer struct {
	labels string
	value  span
}

// programCount is how many a kerntap has without a configuration.
const programCount = 3

// answers are those of each panel, by the dashboard's file and the panel's title. Panels of metrics that this
// kerntap does not have are left out.
var answers = map[string][]answer{
	"overview.json/Failed connects":           {{"", about(100 * failing / float64(failing+answered+cutOff+visits))}},
	"overview.json/Lost packets":              {{"", each(hasty)}},
	"overview.json/Programs that read events": {{"", about(programCount)}},
	"overview.json/Failed connections by command": {{"kerntap_command=kt-panels,error_type=refused", each(refused)},
		{"kerntap_command=kt-panels,error_type=cancelled", each(hasty + late + patient)}},
	"overview.json/Lost packets by reason":            {{"kerntap_command=kt-panels,kerntap_drop_reason=NETFILTER_DROP", each(hasty)}},
	"overview.json/Resets":                            {{"kerntap_command=kt-panels,network_io_direction=receive", each(refused + cutOff)}},
	"overview.json/Full listen queues":                {{"kerntap_command=kt-panelsrv", each(late)}},
	"overview.json/Retransmitted segments":            {{"", ofSegments(patient, 80, 300)}},
	"overview.json/Retransmitted segments by command": {{"kerntap_command=kt-panels", ofSegments(patient, 32, 100)}},
	"overview.json/Round-trip time":                   {{"kerntap_command=kt-panelfar", bucketOf(2 * trip)}},
	"connections.json/Round-trip time":                {{"kerntap_command=kt-panelfar", bucketOf(2 * trip)}},
	"connections.json/Open connections": {{"kerntap_command=kt-panels,kerntap_tcp_role=client", about(0)},
		{"kerntap_command=kt-panelsrv,kerntap_tcp_role=client", about(1)}}, // which keeps its own queue full
	"connections.json/Abnormal ends": {{"kerntap_command=kt-panels,error_type=reset", each(cutOff)}},
	"connections.json/Bytes": {{"kerntap_command=kt-panels,network_io_direction=transmit", each(answered * payload)},
		{"kerntap_command=kt-panelsrv,network_io_direction=receive", each(answered * payload)}},
	"connections.json/Connections": {{"kerntap_command=kt-panels,kerntap_tcp_role=client", each(failing + answered + cutOff)},
		{"kerntap_command=kt-panelsrv,kerntap_tcp_role=server", each(answered + cutOff)}},
	"connections.json/Failures by type":      {{"error_type=refused", each(refused)}},
	"connections.json/Time to connect, 95 %": {{"kerntap_command=kt-panelfar", bucketOf(2 * trip)}},
	"connections.json/Life of a connection, half of them": {{"kerntap_command=kt-panelfar,kerntap_tcp_role=client", bucketOf(kept)},
		{"kerntap_command=kt-panelfar,kerntap_tcp_role=server", bucketOf(kept)}},
	"drops.json/By class":                                     {{"kerntap_drop_class=loss", each(hasty)}},
	"drops.json/By reason, without clean-up":                  {{"kerntap_drop_reason=NETFILTER_DROP", each(hasty)}},
	"drops.json/By command, without clean-up":                 {{"kerntap_command=kt-panels", each(hasty)}},
	"drops.json/By protocol, without clean-up":                {{"network_transport=tcp,network_type=ipv4", each(hasty)}},
	"drops.json/Lost bytes":                                   {{"kerntap_drop_reason=NETFILTER_DROP", each(hasty * 60)}},
	"drops.json/Lost since the start":                         {{"", about(hasty * (rounds + 1))}},
	"kerntap.json/Programs":                                   {{"kerntap_program_name=connection", about(1)}, {"kerntap_program_name=packet_drop", about(1)}},
	"kerntap.json/Kernel events by what became of them":       {{"kerntap_program_name=connection,kerntap_outcome=recorded", some}},
	"kerntap.json/Records on their way to the exporters":      {{"kerntap_program_name=packet_drop,kerntap_outcome=delivered", some}},
	"kerntap.json/Records that left the exporters":            {{"kerntap_outcome=exported", some}},
	"kerntap.json/Records that wait":                          {{"", exists}},
	"kerntap.json/Rows of the ledgers":                        {{"kerntap_program_name=connection", some}},
	"kerntap.json/Shortages":                                  {{"kerntap_program_name=connection,kerntap_shortage=row", about(0)}},
	"kerntap.json/Series of metrics":                          {{"kerntap_metric_name=kerntap.tcp.connections", some}},
	"kerntap.json/Measurements without a series of their own": {{"kerntap_metric_name=kerntap.tcp.connections", about(0)}},
}

func TestEachPanelShowsTheTroubleThatWasCaused(t *testing.T) {
	s := causeTrouble(t)
	for _, d := range dashboards() {
		for _, p := range d.panels {
			if p.kind != logs {
				t.Run(d.file+"/"+p.title, func(t *testing.T) {
					for _, job := range jobs {
						s.shows(t, d.file+"/"+p.title, p, job)
					}
				})
			}
		}
	}
	s.alerts(t)
}

// causeTrouble returns a stack whose Prometheus has all rounds of trouble.
func causeTrouble(t *testing.T) stack {
	t.Helper()
	ns := bpftest.NewNamespace(t)
	bpftest.RequireTool(t, "prometheus")
	ns.Firewall(t, dropRules)
	ns.Mirror(t, trip)
	s := newStack(t)
	ns.StartHelper(t, host, "serve").Line(t)
	parties := []*bpftest.Process{ns.StartHelper(t, command, "trouble"), ns.StartHelper(t, visitor, "far")}
	cause := func() {
		for _, p := range parties {
			p.Send(t, "go")
		}
		for _, p := range parties {
			p.Line(t)
		}
	}
	// A rate begins with the second look at a series: the first round makes them.
	cause()
	s.awaitRounds(t, 1)
	for range rounds {
		cause()
	}
	s.awaitRounds(t, rounds+1)
	return s
}

// awaitRounds returns when Prometheus has so many rounds, of each kerntap.
func (s stack) awaitRounds(t *testing.T, rounds int) {
	t.Helper()
	var seen string
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("last counted were " + seen)
		}
	})
	bpftest.Until(t, fmt.Sprintf("Prometheus has %d rounds", rounds), func() bool {
		seen = ""
		all := true
		for _, job := range jobs {
			has, counted := s.hasRounds(job, rounds)
			seen += counted + "\n"
			all = all && has
		}
		return all
	})
}

// hasRounds tells whether so many were counted by one kerntap, and for people what was.
func (s stack) hasRounds(job string, rounds int) (has bool, counted string) {
	connected, err := s.ask(`sum(kerntap_tcp_connections_total{job="` + job + `",kerntap_command="kt-panels"})`)
	lost, err2 := s.ask(`sum(kerntap_packet_drops_total{job="` + job + `",kerntap_command="kt-panels"})`)
	ended, err3 := s.ask(`sum(kerntap_tcp_connection_duration_seconds_count{job="` + job + `",kerntap_command=~"kt-panel.*"})`)
	err = errors.Join(err, err2, err3)
	has = err == nil && len(connected)+len(lost)+len(ended) == 3 &&
		connected[0].value == float64(rounds*(failing+answered+cutOff)) && lost[0].value > 0.9*float64(rounds*hasty) &&
		ended[0].value == float64(rounds*2*(answered+cutOff+visits))
	return has, fmt.Sprint(job, connected, lost, ended, err)
}

// shows asks what a panel asks, of one kerntap and the commands in trouble alone.
func (s stack) shows(t *testing.T, name string, p panel, job string) {
	t.Helper()
	want, known := answers[name]
	if !known {
		t.Fatal("nobody says what this panel must show")
	}
	for _, q := range p.queries {
		declared(t, q.expr)
		expr := fill(q.expr, job, "kt-panel.*", fmt.Sprintf("%ds", window))
		samples, err := s.ask(expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range want {
			if !a.in(samples) {
				t.Errorf("%s\nanswers %v\nwant %+v", expr, samples, a)
			}
		}
	}
}

var metricName = regexp.MustCompile(`kerntap_[a-z_]+`)

// declared fails for a panel whose metric this kerntap does not have. The reference is made of its own table of metrics.
func declared(t *testing.T, expr string) {
	t.Helper()
	reference, err := os.ReadFile(root + "/docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range metricName.FindAllString(regexp.MustCompile(`by \([^)]*\)|\{[^}]*\}`).ReplaceAllString(expr, ""), -1) {
		name = strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count")
		if !strings.Contains(string(reference), "`"+name+"`") {
			t.Error(name + " is no metric of this kerntap")
		}
	}
}

// in tells whether a series with these labels and a value in this span is among the samples.
func (a answer) in(samples []sample) bool {
	for _, s := range samples {
		matches := true
		for pair := range strings.SplitSeq(a.labels, ",") {
			name, value, _ := strings.Cut(pair, "=")
			matches = matches && (name == "" || s.labels[name] == value)
		}
		if matches && s.value >= a.value.least && s.value <= a.value.most {
			return true
		}
	}
	return false
}

// alerts asks the rules that must fire: what they ask for holds at once, and for how long is promtool's to test.
func (s stack) alerts(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	fires := map[string]answer{
		"ConnectsFail":    {"kerntap_command=kt-panels,error_type=refused", about(refused / float64(failing+answered+cutOff))},
		"PacketsLost":     {"kerntap_command=kt-panels,kerntap_drop_reason=NETFILTER_DROP", some},
		"ListenQueueFull": {"kerntap_command=kt-panelsrv", some},
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			samples, err := s.ask(rule.Expr)
			if err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
			}
			want, must := fires[rule.Alert]
			if must && !want.in(samples) {
				t.Errorf("%s does not fire: %v", rule.Alert, samples)
			}
			if strings.HasPrefix(rule.Alert, "Kerntap") && len(samples) > 0 {
				t.Errorf("%s fires: %v", rule.Alert, samples)
			}
		}
	}
}
