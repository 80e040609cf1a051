package api

// ExporterStatus is the truth about the exporter, in records unless the name says otherwise.
type ExporterStatus struct {
	// Name says what exports: console, otlp, …
	Name    string `json:"name"`
	Healthy bool   `json:"healthy"`
	// Reason says why the exporter is not healthy, and is "" while it is.
	Reason string `json:"reason,omitempty"`
	// Emitted were handed to the exporter, Exported left kerntap.
	Emitted  uint64 `json:"emitted"`
	Exported uint64 `json:"exported"`
	// Dropped found a queue full, Failed were refused or could not be sent.
	Dropped uint64 `json:"dropped"`
	Failed  uint64 `json:"failed"`
	// Causes says why the dropped and the failed did not leave kerntap.
	Causes map[string]uint64 `json:"causes,omitempty"`
	// Destinations tells of each place that telemetry goes to, where there is one.
	Destinations []Destination `json:"destinations,omitempty"`
}

// Destination is the truth about one place that telemetry goes to. A signal that does not go there is left out.
type Destination struct {
	// Name says what it is and where: otlp grpc localhost:4317, console text, …
	Name string `json:"name"`
	// Waiting tells that a collector did not take the last request and is tried again.
	Waiting bool           `json:"waiting"`
	Logs    *LogExports    `json:"logs,omitempty"`
	Metrics *MetricExports `json:"metrics,omitempty"`
}

// LogExports counts log records: emitted = exported + queued + all of the dropped + all of the failed.
type LogExports struct {
	Emitted  uint64 `json:"emitted"`
	Exported uint64 `json:"exported"`
	// Queued wait at this moment, or are on their way.
	Queued uint64 `json:"queued"`
	// Dropped never reached an export, Failed were not taken; both by cause.
	Dropped map[string]uint64 `json:"dropped,omitempty"`
	Failed  map[string]uint64 `json:"failed,omitempty"`
}

// MetricExports counts exports of all metrics at one time.
type MetricExports struct {
	Exported uint64 `json:"exported"`
	// Failed exports by cause.
	Failed map[string]uint64 `json:"failed,omitempty"`
	// Failing is the cause of the last one's failure, left out if it did not fail.
	Failing string `json:"failing,omitempty"`
}
