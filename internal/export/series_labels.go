package export

import (
	"hash/maphash"
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// hashLabels hashes what tells the series of one metric apart, the values in any order. A map with Labels as its key
// hashes the keys and every unused place as well and takes three times as long.
func hashLabels(seed maphash.Seed, labels *telemetry.Labels) uint64 {
	var hash uint64
	for i := range labels {
		if labels[i].Key == "" {
			break
		}
		hash += maphash.String(seed, labels[i].Value)
	}
	return hash
}

// sameLabels tells whether two sets hold the same labels, in whatever order.
func sameLabels(a, b *telemetry.Labels) bool {
	return *a == *b || within(a, b) && within(b, a)
}

func within(a, b *telemetry.Labels) bool {
	for i := range a {
		if !slices.Contains(b[:], a[i]) {
			return false
		}
	}
	return true
}

// cleanLabels returns labels as they can be exported: valid text, the last of those with the same key, none without a
// value. Labels that differ in nothing else are the same attributes, and backends refuse two series with the same.
func cleanLabels(labels *telemetry.Labels) telemetry.Labels {
	var clean telemetry.Labels
	n := 0
	for i, l := range labels {
		repeated := func(later telemetry.Label) bool { return later.Key == l.Key }
		if l.Key == "" || l.Value == "" || slices.ContainsFunc(labels[i+1:], repeated) {
			continue
		}
		clean[n] = telemetry.Label{Key: l.Key, Value: validText(l.Value)}
		n++
	}
	return clean
}

// attributeSet translates clean labels.
func attributeSet(labels *telemetry.Labels) attribute.Set {
	attrs := make([]attribute.KeyValue, 0, len(labels))
	for _, l := range labels {
		if l.Key != "" {
			attrs = append(attrs, attribute.String(l.Key, l.Value))
		}
	}
	return attribute.NewSet(attrs...)
}
