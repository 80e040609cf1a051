package export

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
)

func TestLabelsThatBecomeTheSameAttributesAreOneSeries(t *testing.T) {
	table := newTable(t, &hand{}, nil, form{})
	role := telemetry.Label{Key: telemetry.TCPRole, Value: "client"}
	for _, labels := range []telemetry.Labels{
		telemetry.LabelSet(command("a\xff"), role), telemetry.LabelSet(role, command("a\xfe")),
		telemetry.LabelSet(role, command("other"), command("a\xff\xff")),
		{{}, role, {Key: telemetry.ErrorType}, command("a\uFFFD")},
	} {
		table.addNow(telemetry.Measurement{Metric: &telemetry.TCPConnections, Labels: labels, Value: 1})
	}
	points := pointsOf(collect(t, table.producers[0])[telemetry.TCPConnections.Name].Data)
	if len(points) != 1 || points[0].value != 4 || points[0].name != "kerntap.command=a\uFFFD,kerntap.tcp.role=client" {
		t.Errorf("points = %+v", points)
	}
}

func TestLabelsAreTheSameInAnyOrder(t *testing.T) {
	a, b, c := command("a"), telemetry.Label{Key: "b", Value: "b"}, telemetry.Label{Key: "c", Value: "c"}
	for _, test := range []struct {
		a, b telemetry.Labels
		same bool
	}{
		{telemetry.LabelSet(a, b), telemetry.LabelSet(b, a), true},
		{telemetry.LabelSet(), telemetry.LabelSet(), true},
		{telemetry.LabelSet(a, b), telemetry.LabelSet(a, b, c), false},
		{telemetry.LabelSet(a, b, c), telemetry.LabelSet(a, b), false},
		{telemetry.LabelSet(a, b), telemetry.LabelSet(a, c), false},
	} {
		if got := sameLabels(&test.a, &test.b); got != test.same {
			t.Errorf("%v and %v: same = %v", test.a, test.b, got)
		}
	}
}

func TestSeriesWithTheSameHashDoNotDisturbEachOther(t *testing.T) {
	same := []telemetry.Label{{Key: "a", Value: "x"}, {Key: "b", Value: "x"}, {Key: "c", Value: "x"}}
	for leaves := range same {
		clock := &hand{}
		table := newTable(t, clock, nil, form{})
		add := func(labels ...telemetry.Label) map[string]int64 {
			for _, label := range labels {
				table.addNow(measureOf(&telemetry.TCPConnections, 1, label))
			}
			return sums(collect(t, table.producers[0])[telemetry.TCPConnections.Name].Data)
		}
		add(same...)
		if got := add(same...); fmt.Sprint(got) != "map[a=x:2 b=x:2 c=x:2]" {
			t.Errorf("series = %v", got)
		}
		stay := slices.Delete(slices.Clone(same), leaves, leaves+1)
		clock.passed = seriesIdle - time.Second
		add(stay...)
		clock.passed = seriesIdle
		add()
		if got := add(stay...); len(got) != 2 || got[stay[0].Key+"=x"] != 4 || got[stay[1].Key+"=x"] != 4 {
			t.Errorf("series = %v after %s left", got, same[leaves].Key)
		}
		if n, _ := table.all()[0].size(); n != 2 {
			t.Errorf("%d series after %s left: one is there twice", n, same[leaves].Key)
		}
	}
}
