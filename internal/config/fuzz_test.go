package config

import (
	"strings"
	"testing"
)

// FuzzFile holds every file to be either valid or refused with one line that names the file.
func FuzzFile(f *testing.F) {
	for _, p := range precedences() {
		f.Add(p.yaml)
	}
	f.Add("programs: {packet_drop: {records: 5, rules: [{row: &a 1}, {row: *a}], limits: {<<: {a: 1}}}}")
	f.Add("a: &a [*a]\n---\n!!binary x: ~")
	f.Add("storage:\n\trecords: 1")
	f.Fuzz(func(t *testing.T, yaml string) {
		file := file{path: "kerntap.yaml"}
		c := Default("packet_drop")
		root, err := file.parse([]byte(yaml))
		if err == nil && root != nil {
			err = file.apply(&c, root)
		}
		if err == nil {
			var own settings
			err = c.Programs["packet_drop"].Decode(&own)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "kerntap.yaml:") || strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q is refused with %q", yaml, err)
			}
			return
		}
		c.Programs["packet_drop"] = Program{Enabled: true}
		// What options say together is checked once all layers are there, so these errors name keys and no file.
		together := func(text string) bool {
			return strings.HasPrefix(text, "listen and probe_listen") || strings.HasPrefix(text, "otlp.")
		}
		if err := c.Validate(); err != nil && !together(err.Error()) {
			t.Errorf("%q is accepted and not valid: %v", yaml, err)
		}
	})
}

func FuzzResourceAttributes(f *testing.F) {
	f.Add("service.name=a,b=c%20d, e = f ,")
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		if err := setAttributes(&c, text); err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q is refused with %q", text, err)
			}
			return
		}
		again := Default()
		if err := setAttributes(&again, formatAttributes(&c)); err != nil {
			t.Errorf("%q reads as %v, which does not read again: %v", text, c.ResourceAttributes, err)
		}
		for key, value := range c.ResourceAttributes {
			if again.ResourceAttributes[key] != value {
				t.Errorf("%q: %q is %q, then %q", text, key, value, again.ResourceAttributes[key])
			}
		}
	})
}

func FuzzEndpoint(f *testing.F) {
	for _, text := range []string{"c:1", "http://c", "https://[::1]:1/a/", "unix:///run/c", "http://%zz", "c:1/a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseEndpoint(text); err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q is refused with %q", text, err)
			}
			return
		}
		for _, protocol := range []string{ProtocolGRPC, ProtocolHTTP} {
			c := Default()
			c.OTLP.General.Endpoint, c.OTLP.General.Protocol = text, protocol
			if s, err := c.LogSignal(); err == nil && (s.Endpoint == "" || !s.Send) {
				t.Errorf("%s to %q becomes %+v", protocol, text, s)
			}
		}
	})
}
