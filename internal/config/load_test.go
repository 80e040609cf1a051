package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// inFolder changes to an empty folder with kerntap.yaml in it, so that errors name the file as a user would.
func inFolder(t testing.TB, yaml string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kerntap.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

func TestWhereTheFileIsNamed(t *testing.T) {
	inFolder(t, "console: json\n")
	if err := os.WriteFile("other.yaml", []byte("console: text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := []string{"KERNTAP_CONFIG=other.yaml"}
	flag := map[string]string{"config": "kerntap.yaml"}
	for name, tc := range map[string]struct {
		source Source
		want   string
	}{
		"nowhere":          {Source{}, ""},
		"environment":      {Source{Environ: other}, "text"},
		"flag":             {Source{Environ: other, Flags: flag}, "json"},
		"source":           {Source{Environ: other, File: "kerntap.yaml"}, "json"},
		"an empty setting": {Source{Environ: []string{"KERNTAP_CONFIG="}}, ""},
	} {
		if c, err := Load(tc.source); err != nil || c.Console != tc.want {
			t.Errorf("%s: console %q, %v, want %q", name, c.Console, err, tc.want)
		}
	}
}

func TestServiceNameAmongTheAttributes(t *testing.T) {
	attributes := "OTEL_RESOURCE_ATTRIBUTES=service.name=from%20attributes,a=b"
	for want, environ := range map[string][]string{
		"from attributes": {attributes},
		"own variable":    {"OTEL_SERVICE_NAME=own variable", attributes},
	} {
		c, err := Load(Source{Environ: environ})
		if err != nil || c.ServiceName != want || !reflect.DeepEqual(c.ResourceAttributes, map[string]string{"a": "b"}) {
			t.Errorf("%v: name %q, attributes %v, %v", environ, c.ServiceName, c.ResourceAttributes, err)
		}
	}
}

func TestForeignVariablesAreLeftAlone(t *testing.T) {
	environ := []string{
		"KERNTAP_SERVICE_HOST=10.0.0.1", "KERNTAP_SERVICE_PORT=4319", "KERNTAP_SERVICE_PORT_HTTP_API=4319",
		"KERNTAP_PORT=tcp://10.0.0.1:4319", "KERNTAP_PORT_4319_TCP=tcp://10.0.0.1:4319",
		"KERNTAP_PORT_4319_TCP_PROTO=tcp", "KERNTAP_PORT_4319_TCP_PORT=4319", "KERNTAP_PORT_4319_TCP_ADDR=10.0.0.1",
		"KERNTAP_API_SERVICE_HOST=10.0.0.2", "KERNTAP_API_PORT=udp://10.0.0.2:1", "KERNTAPS=1", "KERNTAP_NO_VALUE",
		"KERNTAP_EMPTY=", "OTEL_TRACES_SAMPLER=always_on", "PATH=/bin", "", "=x",
	}
	c, err := Load(Source{Known: known(), Environ: environ})
	if want := Default(known()...); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("%+v, %v, want the defaults", c, err)
	}
}

func TestTheLastOfTwoVariablesCounts(t *testing.T) {
	c, err := Load(Source{Environ: []string{"KERNTAP_CONSOLE=json", "KERNTAP_CONSOLE=none"}})
	if err != nil || c.Console != "" {
		t.Errorf("console %q, %v", c.Console, err)
	}
}

func TestFilesThatSetNothing(t *testing.T) {
	for _, yaml := range []string{"# listen: off\n", "---\n", "~\n", "listen:\nstorage:\nprograms:\n", "{}",
		"storage: {records: }", "programs: {connection: }", "programs: {connection: {enabled: }}",
		"\ufeff# a byte order mark\n", "resource_attributes: {}"} {
		inFolder(t, yaml)
		c, err := Load(Source{Known: known(), File: "kerntap.yaml"})
		if err != nil || !slices.Equal(c.Enabled(), known()) || c.Listen != "127.0.0.1:4319" {
			t.Errorf("%q: %+v, %v, want the defaults", yaml, c, err)
		}
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	inFolder(t, "\"a\\nb\": 1\n")
	for name, source := range map[string]Source{
		"file": {File: "kerntap.yaml"},
		"name": {Environ: []string{"KERNTAP_A\nB=1"}},
		"text": {Environ: []string{"KERNTAP_LISTEN=a\nb"}},
		"host": {Flags: map[string]string{"listen": "a\nb:1"}},
	} {
		if _, err := Load(source); err == nil || strings.ContainsAny(err.Error(), "\n\r\t") {
			t.Errorf("%s: %q", name, err)
		}
	}
}
