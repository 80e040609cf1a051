package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	grafana "github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// strictly decodes a dashboard with the types that Grafana publishes: a field that they lack is an error, and so is one that
// they want and is missing, in panels and queries as well.
//
//lint:ignore SA1019 the newer type is of another format than these dashboards
func strictly(text []byte) (decoded grafana.Dashboard, err error) {
	err = decoded.UnmarshalJSONStrict(text)
	if found := (cog.BuildErrors{}); errors.As(err, &found) && len(found) == 0 {
		err = nil // a list of errors with none in it
	}
	return decoded, err
}

// Grafana itself is not to be had in a test. Its own types are, made of its schemas.
func TestGrafanasOwnSchemasTakeTheDashboards(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for _, d := range dashboards() {
		text, err := d.encode()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := strictly(text)
		if err != nil {
			t.Errorf("%s: %v", d.file, err)
		}
		if err := decoded.Validate(); err != nil || len(decoded.Panels) != len(d.panels) {
			t.Errorf("%s: %d panels, %v", d.file, len(decoded.Panels), err)
		}
		for _, wrong := range [][2]string{{`"editorMode": "code"`, `"editMode": "code"`}, {`"drawStyle": "line"`, `"drawnStyle": "line"`},
			{`"keepTime"`, `"keepsTime"`}} {
			if _, err := strictly(bytes.Replace(text, []byte(wrong[0]), []byte(wrong[1]), 1)); err == nil {
				t.Errorf("%s: %s is taken", d.file, wrong[1])
			}
		}
	}
}
