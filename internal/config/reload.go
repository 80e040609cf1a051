package config

import (
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Adopt returns what a kerntap that runs under c is to go by when a new configuration is wanted: everything that may
// change while it runs is as wanted, the rest as it is. restart names, by their keys, the options that are wanted otherwise
// and change with a restart only.
func (c Config) Adopt(wanted Config) (next Config, restart []string) {
	next = wanted
	hold := func(key string, changed bool) {
		if changed {
			restart = append(restart, key)
		}
	}
	hold("listen", keep(&c.Listen, &next.Listen))
	hold("probe_listen", keep(&c.ProbeListen, &next.ProbeListen))
	hold("console", keep(&c.Console, &next.Console))
	hold("service_name", keep(&c.ServiceName, &next.ServiceName))
	hold("resource_attributes", keep(&c.ResourceAttributes, &next.ResourceAttributes))
	hold("ledger.interval", keep(&c.Ledger.Interval, &next.Ledger.Interval))
	hold("ledger.memory", keep(&c.Ledger.Memory, &next.Ledger.Memory))
	hold("metrics.attributes", keep(&c.MetricAttributes, &next.MetricAttributes))
	hold("storage.records", keep(&c.Storage.Records, &next.Storage.Records))
	hold("storage.retention", keep(&c.Storage.Retention, &next.Storage.Retention))
	hold("sync_failures", keep(&c.SyncFailures, &next.SyncFailures))
	hold("workload_service_names", keep(&c.ServiceNames, &next.ServiceNames))
	hold("otlp.logs.queue", keep(&c.OTLP.LogQueue, &next.OTLP.LogQueue))
	hold("otlp.metrics.temporality", keep(&c.OTLP.Temporality, &next.OTLP.Temporality))
	hold("otlp.metrics.histograms", keep(&c.OTLP.Histograms, &next.OTLP.Histograms))
	keep(&c.Disabled, &next.Disabled) // of the environment, which is what it was
	if c.sends() != next.sends() {
		next.OTLP = c.OTLP
		hold("otlp (which signals are sent)", true)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Programs)) {
		program := next.Programs[name]
		hold(programsKey+"."+name+".enabled", c.Programs[name].Enabled != program.Enabled)
		program.Enabled = c.Programs[name].Enabled
		next.Programs[name] = program
	}
	return next, restart
}

// keep sets next to what is and tells whether it was anything else.
func keep[T any](is, next *T) bool {
	if reflect.DeepEqual(*is, *next) {
		return false
	}
	*next = *is
	return true
}

// sends tells which signals go to collectors.
func (c *Config) sends() [2]bool {
	logs, _ := c.LogSignal() // Validate has refused what is wrong
	metrics, _ := c.MetricSignal()
	return [2]bool{logs.Send, metrics.Send}
}

// SaysTheSame tells whether two configurations of a program have the same keys with the same values.
func (p Program) SaysTheSame(other Program) bool {
	return slices.Equal(p.words(), other.words())
}

// words are the program's own keys and values, as text.
func (p Program) words() []string {
	var all []string
	for _, e := range p.settings {
		value, err := yaml.Marshal(e.value)
		if err != nil {
			value = []byte(e.value.Value) // a node that was read can be written
		}
		all = append(all, e.key.Value+": "+string(value))
	}
	slices.Sort(all)
	return all
}

// SaysTheSame tells whether two ways to collectors are the same, but for what their certificates hold.
func (o OTLP) SaysTheSame(other OTLP) bool { return reflect.DeepEqual(o, other) }

// HasCertificates tells whether the way to a collector rests on files, which may have been renewed.
func (o OTLP) HasCertificates() bool {
	return slices.ContainsFunc([]Transport{o.General, o.Logs, o.Metrics}, func(t Transport) bool {
		return t.Certificate != "" || t.ClientCertificate != ""
	})
}
