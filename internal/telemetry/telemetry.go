// Package telemetry is the vocabulary in which events describe themselves: attributes, labels, metrics and
// severities, as plain values. It knows neither the kernel nor the OpenTelemetry SDK, so that programs can use it and
// exporters can translate it. Every name that leaves kerntap stands in names.go.
package telemetry

// Severity says how much an event matters to whoever runs the workload.
type Severity uint8

const (
	// Info is what happens in healthy operation too.
	Info Severity = iota
	// Warn is a failure of the workload or of its network.
	Warn
)

// Attribute is one flat attribute of a log record: a string, a whole number or a floating-point number.
type Attribute struct {
	Key    string
	text   string
	number int64
	isInt  bool
	real   float64
	isReal bool
}

// String returns a string attribute.
func String(key, value string) Attribute { return Attribute{Key: key, text: value} }

// Int returns a whole-number attribute.
func Int(key string, value int64) Attribute { return Attribute{Key: key, number: value, isInt: true} }

// Float returns a floating-point attribute.
func Float(key string, value float64) Attribute {
	return Attribute{Key: key, real: value, isReal: true}
}

// IsFloat tells whether the attribute is a floating-point number.
func (a Attribute) IsFloat() bool { return a.isReal }

// Real returns the value of a floating-point attribute, and 0 for any other.
func (a Attribute) Real() float64 { return a.real }

// IsInt tells whether the attribute is a whole number.
func (a Attribute) IsInt() bool { return a.isInt }

// Text returns the value of a string attribute, and "" for a number.
func (a Attribute) Text() string { return a.text }

// Number returns the value of a whole-number attribute, and 0 for any other.
func (a Attribute) Number() int64 { return a.number }

// Label is one attribute of a metric. Labels never hold a pid, an address or an ephemeral port.
type Label struct{ Key, Value string }

// MaxLabels is the most labels a measurement carries.
const MaxLabels = 10

// Labels are the labels of one measurement: comparable, so that they can be a map key. Unused places are zero.
type Labels [MaxLabels]Label

// LabelSet returns labels without those whose value is empty: what is not known is left out.
// More than MaxLabels known labels are a mistake of the caller; the surplus is left out.
func LabelSet(labels ...Label) Labels {
	var set Labels
	n := 0
	for _, l := range labels {
		if l.Value != "" && n < MaxLabels {
			set[n] = l
			n++
		}
	}
	return set
}

// Kind is the shape of a metric.
type Kind uint8

const (
	// Counter is a monotonic sum of whole numbers.
	Counter Kind = iota
	// UpDownCounter is a sum of whole numbers that can fall.
	UpDownCounter
	// Histogram is a distribution of values in the metric's unit.
	Histogram
	// Gauge is a whole number as it is now.
	Gauge
)

// Metric describes one metric as the semantic conventions do: name, unit (UCUM) and meaning.
type Metric struct {
	Name        string
	Unit        string
	Description string
	Kind        Kind
}

// Measurement adds to the series that Metric and Labels name: Value, as a whole number, to a counter or a gauge, and
// Distribution to a histogram. Whoever takes a measurement copies what Distribution points to.
type Measurement struct {
	Metric       *Metric
	Labels       Labels
	Value        float64
	Distribution *Distribution
}
