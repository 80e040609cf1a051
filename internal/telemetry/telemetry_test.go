package telemetry

import (
	"fmt"
	"testing"
)

func TestALabelSetLeavesOutWhatIsNotKnown(t *testing.T) {
	a, b, unknown := Label{"a", "1"}, Label{"b", "2"}, Label{"c", ""}
	for _, test := range []struct {
		labels []Label
		want   Labels
	}{
		{nil, Labels{}},
		{[]Label{unknown}, Labels{}},
		{[]Label{a, b}, Labels{a, b}},
		{[]Label{b, a}, Labels{b, a}},
		{[]Label{unknown, a, unknown, b, unknown}, Labels{a, b}},
	} {
		if got := LabelSet(test.labels...); got != test.want {
			t.Errorf("%v: %v, want %v", test.labels, got, test.want)
		}
	}
}

func TestALabelSetIsBounded(t *testing.T) {
	var labels []Label
	var want Labels
	for i := range MaxLabels + 3 {
		labels = append(labels, Label{fmt.Sprint("key-", i), "known"}, Label{fmt.Sprint("key-", i), ""})
		if i < MaxLabels {
			want[i] = Label{fmt.Sprint("key-", i), "known"}
		}
	}
	if got := LabelSet(labels...); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestEqualLabelSetsAreOneSeries(t *testing.T) {
	series := map[Labels]int{}
	for range 2 {
		series[LabelSet(Label{"a", "1"}, Label{"b", ""}, Label{"c", "3"})]++
		series[LabelSet(Label{"a", "1"}, Label{"c", "3"})]++
	}
	if len(series) != 1 {
		t.Errorf("%d series, want 1: %v", len(series), series)
	}
}

func TestAnAttributeIsOfOneKind(t *testing.T) {
	for _, test := range []struct {
		attribute      Attribute
		isInt, isFloat bool
		text           string
		number         int64
		real           float64
	}{
		{String("key", "value"), false, false, "value", 0, 0},
		{String("key", ""), false, false, "", 0, 0},
		{Int("key", -7), true, false, "", -7, 0},
		{Int("key", 0), true, false, "", 0, 0},
		{Float("key", 0.25), false, true, "", 0, 0.25},
		{Float("key", 0), false, true, "", 0, 0},
	} {
		a := test.attribute
		if a.Key != "key" || a.IsInt() != test.isInt || a.IsFloat() != test.isFloat || a.Text() != test.text ||
			a.Number() != test.number || a.Real() != test.real {
			t.Errorf("%+v: int %v, float %v, %q, %d, %g", a, a.IsInt(), a.IsFloat(), a.Text(), a.Number(), a.Real())
		}
	}
}
