package compose

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Grafana is not to be had in a test, and Loki is in `make test-compose` alone, which builds it. These are the fields of their
// files that the demo may use, under the names that their documentation gives them; any other is refused, as is a field given
// twice or a value of another kind.
// Source: Grafana 12, Administration, Provision Grafana; Loki 3.7, Configure, Grafana Loki configuration parameters.

type datasources struct {
	APIVersion  int `yaml:"apiVersion"`
	Datasources []struct {
		Name, UID, Type, Access, URL string
		IsDefault                    bool `yaml:"isDefault"`
		JSONData                     struct {
			TimeInterval string `yaml:"timeInterval"`
		} `yaml:"jsonData"`
	}
}

type providers struct {
	APIVersion int `yaml:"apiVersion"`
	Providers  []struct {
		Name, Folder, Type string
		DisableDeletion    bool `yaml:"disableDeletion"`
		Options            struct{ Path string }
	}
}

type loki struct {
	AuthEnabled bool `yaml:"auth_enabled"`
	Server      struct {
		HTTPListenPort int    `yaml:"http_listen_port"`
		LogLevel       string `yaml:"log_level"`
	}
	Common struct {
		PathPrefix        string `yaml:"path_prefix"`
		ReplicationFactor int    `yaml:"replication_factor"`
		Ring              struct{ KVStore struct{ Store string } }
	}
	SchemaConfig struct {
		Configs []struct {
			From, Store, Schema string
			ObjectStore         string `yaml:"object_store"`
			Index               struct{ Prefix, Period string }
		}
	} `yaml:"schema_config"`
	StorageConfig struct {
		Filesystem struct{ Directory string }
	} `yaml:"storage_config"`
	LimitsConfig struct {
		AllowStructuredMetadata bool `yaml:"allow_structured_metadata"`
	} `yaml:"limits_config"`
}

func strictly(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	return decoder.Decode(into)
}

func readStrictly(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := strictly(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	misspelt := append([]byte("apiVersions: 1\n"), text...)
	if strictly(misspelt, into) == nil {
		t.Errorf("%s: a field that is not known is taken", name)
	}
}

func TestGrafanasProvisioningIsStrictlyWhatItKnows(t *testing.T) {
	var sources datasources
	readStrictly(t, "grafana/datasources.yaml", &sources)
	uids := make(map[string]bool)
	defaults := 0
	for _, s := range sources.Datasources {
		if s.Name == "" || s.UID == "" || uids[s.UID] || s.Access != "proxy" || !strings.HasPrefix(s.URL, "http://") {
			t.Errorf("%+v", s)
		}
		uids[s.UID] = true
		if s.IsDefault {
			defaults++
		}
	}
	if sources.APIVersion != 1 || defaults != 1 {
		t.Errorf("version %d, %d defaults", sources.APIVersion, defaults)
	}
	var found providers
	readStrictly(t, "grafana/dashboards.yaml", &found)
	if found.APIVersion != 1 || len(found.Providers) != 1 || found.Providers[0].Type != "file" || found.Providers[0].Options.Path == "" {
		t.Errorf("%+v", found)
	}
}

// Attributes of records are structured metadata, which needs schema v13 on tsdb; the index of a filesystem's tsdb is a day's.
func TestLokisConfigurationIsStrictlyWhatItKnows(t *testing.T) {
	var config loki
	readStrictly(t, "loki.yaml", &config)
	for _, schema := range config.SchemaConfig.Configs {
		if schema.Schema != "v13" || schema.Store != "tsdb" || schema.ObjectStore != "filesystem" || schema.Index.Period != "24h" {
			t.Errorf("%+v", schema)
		}
	}
	if len(config.SchemaConfig.Configs) == 0 || !config.LimitsConfig.AllowStructuredMetadata || config.StorageConfig.Filesystem.Directory == "" {
		t.Errorf("records have no place: %+v", config)
	}
	var compose struct {
		Services map[string]struct{ Environment any }
	}
	read(t, "docker-compose.yaml", &compose)
	environment, _ := compose.Services["collector"].Environment.(map[string]any)
	if environment["LOKI_ENDPOINT"] != "http://loki:3100" || config.Server.HTTPListenPort != 3100 {
		t.Errorf("the collector asks %v, and Loki answers at %d", environment["LOKI_ENDPOINT"], config.Server.HTTPListenPort)
	}
}

// What the dashboards show first is the sidecar: one kerntap, not the sum of two that see the same.
func TestTheTwoKerntapsHaveTwoNames(t *testing.T) {
	var compose struct {
		Services map[string]struct{ Environment map[string]string }
	}
	text, err := os.ReadFile("docker-compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	sidecar, host := compose.Services["kerntap"].Environment["OTEL_SERVICE_NAME"], compose.Services["kerntap-host"].Environment["OTEL_SERVICE_NAME"]
	if sidecar == "" || host == "" || sidecar >= host {
		t.Errorf("%q and %q: dashboards sort them, and begin with the first", sidecar, host)
	}
}
