package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// line is one line of the file exporter: an export request of logs or of metrics in OTLP/JSON. Only what the story
// tells is declared.
type line struct {
	ResourceLogs []struct {
		Resource  resource
		ScopeLogs []struct{ LogRecords []logRecord }
	}
	ResourceMetrics []struct {
		ScopeMetrics []struct{ Metrics []metric }
	}
}

type resource struct{ Attributes attributes }

type logRecord struct {
	TimeUnixNano nanoseconds
	SeverityText string
	EventName    string
	Body         value
	Attributes   attributes
}

type metric struct {
	Name, Unit     string
	Sum, Histogram *struct{ DataPoints []point }
}

type point struct {
	Attributes   attributes
	TimeUnixNano nanoseconds
	AsInt, Count number
	Sum          float64
}

// number is a 64-bit integer, which OTLP/JSON writes as a string.
type number int64

func (n *number) UnmarshalJSON(text []byte) error {
	var s json.Number
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("decode a number: %w", err)
	}
	i, err := strconv.ParseInt(s.String(), 10, 64)
	if err != nil {
		return fmt.Errorf("decode a number: %w", err)
	}
	*n = number(i)
	return nil
}

type nanoseconds = number

func clock(n nanoseconds) string { return time.Unix(0, int64(n)).Format("15:04:05.000") }

type value struct {
	StringValue *string
	IntValue    *number
	DoubleValue *float64
	BoolValue   *bool
}

func (v value) String() string {
	switch {
	case v.StringValue != nil:
		return *v.StringValue
	case v.IntValue != nil:
		return strconv.FormatInt(int64(*v.IntValue), 10)
	case v.DoubleValue != nil:
		return strconv.FormatFloat(*v.DoubleValue, 'g', 3, 64)
	case v.BoolValue != nil:
		return strconv.FormatBool(*v.BoolValue)
	}
	return ""
}

type attributes []struct {
	Key   string
	Value value
}

// get returns the attribute as text, "" if there is none.
func (a attributes) get(key string) string {
	for _, attribute := range a {
		if attribute.Key == key {
			return attribute.Value.String()
		}
	}
	return ""
}
