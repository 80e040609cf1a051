// Package prometheus tests the configuration and the alerts beside it with Prometheus' own tool.
package prometheus

import (
	"os/exec"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

func TestPrometheusTakesConfigurationAndRules(t *testing.T) {
	promtool(t, "check", "config", "prometheus.yaml")
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
}

// Each alert fires on its trouble, and none in an hour of healthy traffic.
func TestTheAlertsFireOnTroubleAlone(t *testing.T) { promtool(t, "test", "rules", "rules_test.yaml") }

func promtool(t *testing.T, args ...string) {
	t.Helper()
	bpftest.RequireTool(t, "promtool")
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}
