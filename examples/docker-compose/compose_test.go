// Package compose tests what scripts/test-compose.sh cannot run: that the parts whose images are not to be had in a test
// fit together.
package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type service struct {
	Image   string
	Build   struct{ Context string }
	Volumes []string
	Ports   []string
	Health  struct{ Test []string } `yaml:"healthcheck"`
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func services(t *testing.T) map[string]service {
	t.Helper()
	var file struct{ Services map[string]service }
	read(t, "docker-compose.yaml", &file)
	if len(file.Services) < 9 {
		t.Fatalf("only %d services", len(file.Services))
	}
	return file.Services
}

func TestImagesAreBuiltHereOrPinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z]+/[a-z]+:v?\d+\.\d+\.\d+$`)
	for name, s := range services(t) {
		if s.Build.Context == "" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q is of no certain version", name, s.Image)
		}
	}
}

func TestEveryMountIsThereAndCannotBeWrittenTo(t *testing.T) {
	for name, s := range services(t) {
		for _, volume := range s.Volumes {
			parts := strings.Split(volume, ":")
			if _, err := os.Stat(parts[0]); err != nil || len(parts) != 3 || parts[2] != "ro" {
				t.Errorf("%s mounts %s: %v", name, volume, err)
			}
		}
	}
}

// The others, client and trouble, listen nowhere: there is nothing to ask.
func TestWhatCanSayHowItIsIsAsked(t *testing.T) {
	all := services(t)
	for _, name := range []string{"kerntap", "kerntap-host", "database", "api", "collector", "prometheus", "loki", "grafana"} {
		if len(all[name].Health.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
	}
}

func TestPortsAreThisMachinesAlone(t *testing.T) {
	for name, s := range services(t) {
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s opens %s to the network", name, port)
			}
		}
	}
}

// Grafana finds its dashboards and the data sources that they ask for.
func TestGrafanaIsProvisionedWithWhatTheDashboardsAskFor(t *testing.T) {
	var sources struct {
		Datasources []struct{ Type, URL string }
	}
	read(t, "grafana/datasources.yaml", &sources)
	all := services(t)
	types := make(map[string]bool)
	for _, source := range sources.Datasources {
		types[source.Type] = true
		host, _, _ := strings.Cut(strings.TrimPrefix(source.URL, "http://"), ":")
		if _, ok := all[host]; !ok {
			t.Errorf("%s is no service", source.URL)
		}
	}
	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	read(t, "grafana/dashboards.yaml", &providers)
	mounted := "../grafana:" + providers.Providers[0].Options.Path + ":ro"
	if !strings.Contains(strings.Join(all["grafana"].Volumes, " "), mounted) {
		t.Errorf("the dashboards are not mounted where Grafana looks for them: %v", all["grafana"].Volumes)
	}
	files, err := filepath.Glob("../grafana/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			Templating struct{ List []struct{ Type, Query any } }
		}
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatal(err)
		}
		for _, variable := range dashboard.Templating.List {
			if kind, ok := variable.Query.(string); ok && variable.Type == "datasource" && !types[kind] {
				t.Errorf("%s asks for a %s, which is not there", file, kind)
			}
		}
	}
}

// The demo's Prometheus has the rules, and asks the collector where that answers.
func TestPrometheusAsksTheCollectorWhereItAnswers(t *testing.T) {
	text, err := os.ReadFile("prometheus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	compose, err := os.ReadFile("docker-compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "collector:8889") || !strings.Contains(string(compose), "PROMETHEUS_LISTEN: 0.0.0.0:8889") {
		t.Error("Prometheus asks where the collector does not answer")
	}
	var config, original struct {
		RuleFiles []string `yaml:"rule_files"`
	}
	read(t, "prometheus.yaml", &config)
	read(t, "../prometheus/prometheus.yaml", &original)
	if len(config.RuleFiles) != 1 || config.RuleFiles[0] != original.RuleFiles[0] {
		t.Errorf("rules are %v", config.RuleFiles)
	}
}
