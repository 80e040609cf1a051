package top

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/prometheus/otlptranslator"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// texts are the constants of a file, read from its source so that a new one cannot be forgotten here.
func texts(t *testing.T, name string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, declared := range file.Decls {
		group, ok := declared.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			text, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found[value.Names[0].Name] = text
		}
	}
	return found
}

// metric is the name that the exposition gives a metric.
func metric(t *testing.T, m telemetry.Metric) string {
	t.Helper()
	kinds := map[telemetry.Kind]otlptranslator.MetricType{
		telemetry.Counter:   otlptranslator.MetricTypeMonotonicCounter,
		telemetry.Histogram: otlptranslator.MetricTypeHistogram,
	}
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: kinds[m.Kind]})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// label is the name that the exposition gives an attribute.
func label(t *testing.T, key string) string {
	t.Helper()
	name, err := (&otlptranslator.LabelNamer{}).Build(key)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// The recorded answers of the frames would not tell that a name has changed.
func TestTheNamesAreThoseOfTheExposition(t *testing.T) {
	want := map[string]string{
		"metricConnections": metric(t, telemetry.TCPConnections),
		"metricDrops":       metric(t, telemetry.PacketDrops),
		"metricRetransmits": metric(t, telemetry.TCPRetransmits),
		"metricResets":      metric(t, telemetry.TCPResets),
		"metricRoundTrips":  metric(t, telemetry.TCPRTT),
		"metricBytes":       metric(t, telemetry.TCPIO),

		"labelCommand":   label(t, telemetry.Command),
		"labelErrorType": label(t, telemetry.ErrorType),
		"labelDropClass": label(t, telemetry.DropClass),
		"labelDirection": label(t, telemetry.Direction),

		"valueLoss":     telemetry.ClassLoss,
		"valueRefused":  telemetry.ClassRefused,
		"valueTransmit": telemetry.Transmit,
	}
	got := texts(t, "rows.go")
	for name := range want {
		if _, there := got[name]; !there {
			t.Errorf("rows.go has no %s", name)
		}
	}
	for name, text := range got {
		if text != want[name] {
			t.Errorf("%s is %q, the exposition writes %q", name, text, want[name])
		}
	}
}
