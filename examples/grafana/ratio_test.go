package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// The share of segments that were sent again, of what a kerntap may have told in five minutes: `sent again`, `sent`, and
// those received, which are no part of it.
func TestTheShareOfRetransmitsIsOfWhatWasSent(t *testing.T) {
	const again, sent, received = "retransmits_total{", `segments_total{network_io_direction="transmit",`, `segments_total{network_io_direction="receive",`
	const none = -1
	for what, test := range map[string]struct {
		input map[string]string
		want  float64
	}{
		"one in twenty":                             {map[string]string{again: "0+5x10", sent: "0+100x10", received: "0+900x10"}, 5},
		"connects that are still tried":             {map[string]string{again: "0+70x10", sent: "0+2x10"}, 100},
		"nothing was sent":                          {map[string]string{again: "0+70x10", sent: "7x10"}, none},
		"nothing is known of what was sent":         {map[string]string{again: "0+70x10"}, none},
		"only what came is known":                   {map[string]string{again: "0+70x10", received: "0+7x10"}, none},
		"nothing was sent again":                    {map[string]string{again: "3x10", sent: "0+100x10"}, 0},
		"another kerntap sees the same connections": {map[string]string{again: "0+5x10", sent: "0+100x10", "other": ""}, 5},
	} {
		t.Run(what, func(t *testing.T) {
			var input []object
			for name, values := range test.input {
				if name == "other" {
					input = append(input, object{"series": `kerntap_tcp_retransmits_total{kerntap_command="shop",job="other"}`, "values": "0+50x10"},
						object{"series": `kerntap_tcp_segments_total{network_io_direction="transmit",kerntap_command="shop",job="other"}`, "values": "0+100x10"})
					continue
				}
				input = append(input, object{"series": "kerntap_tcp_" + name + `kerntap_command="shop",job="one"}`, "values": values})
			}
			var tests []object
			for by, labels := range map[string]string{"": "{}", " by (kerntap_command) ": `{kerntap_command="shop"}`} {
				question := object{"expr": fill(retransmitted(by), "one", "shop", "5m"), "eval_time": "5m"}
				if test.want != none {
					question["exp_samples"] = []object{{"labels": labels, "value": test.want}}
				}
				tests = append(tests, question)
			}
			promtool(t, object{"tests": []object{{"interval": "1m", "input_series": input, "promql_expr_test": tests}}})
		})
	}
}

// promtool has Prometheus' own tool answer questions about given series.
func promtool(t *testing.T, file object) {
	t.Helper()
	bpftest.RequireTool(t, "promtool")
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "test.yaml")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "test", "rules", name).CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, text)
	}
}

// fill puts what somebody has chosen into a panel's question.
func fill(expr, job, command, interval string) string {
	return strings.NewReplacer("$job", job, "$command", command, "$__rate_interval", interval).Replace(expr)
}

// Two kerntaps may see the same connection: a panel that adds all of them up shows twice what there is.
func TestEveryQuestionIsAboutOneJob(t *testing.T) {
	grouped := regexp.MustCompile(`by \([^)]*\)`)
	ofOneJob := regexp.MustCompile(`kerntap_[a-z_]+\{job="\$job"[^}]*\}`)
	for _, d := range dashboards() {
		for _, p := range d.panels {
			for _, q := range p.queries {
				rest := ofOneJob.ReplaceAllString(grouped.ReplaceAllString(q.expr, ""), "")
				if p.kind != logs && strings.Contains(rest, "kerntap_") {
					t.Errorf("%s, %s: a metric is of all jobs in %s", d.file, p.title, q.expr)
				}
			}
		}
	}
	chosen := 0
	for _, v := range variables() {
		if v["name"] == "job" && v["includeAll"] == false && v["multi"] == false {
			chosen++
		}
	}
	if chosen != 1 {
		t.Error("it is not one job that is chosen")
	}
}
