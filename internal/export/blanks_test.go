package export

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/kerntap/kerntap/internal/workload"
)

// inContainer returns an event of a process in a container.
func inContainer(container, pod string) *event {
	e := anEvent(time.Second)
	e.Workload = &workload.Identity{ContainerID: container, PodUID: pod}
	return e
}

func newMaker() *recordMaker {
	o := Options{ServiceName: "kerntap", Version: "1.2.3"}
	return newRecordMaker(o, newResource(o))
}

func resourceOf(r *sdklog.Record) map[string]string {
	all := make(map[string]string)
	for _, kv := range r.Resource().Attributes() {
		all[string(kv.Key)] = kv.Value.AsString()
	}
	return all
}

func TestEachContainerHasItsOwnResource(t *testing.T) {
	records := newMaker().records([]pending{
		{event: inContainer("one", "")}, {event: inContainer("two", "pod")}, {event: anEvent(0)}, {event: inContainer("one", "")},
	})
	for i, want := range []map[string]string{
		{"container.id": "one"}, {"container.id": "two", "k8s.pod.uid": "pod"}, nil, {"container.id": "one"},
	} {
		got := resourceOf(&records[i])
		if want == nil {
			if got["service.name"] != "kerntap" || got["container.id"] != "" {
				t.Errorf("what has no container is told under %v", got)
			}
			continue
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("record %d has the resource %v, want %v", i, got, want)
		}
	}
}

func TestEachServiceHasItsOwnResource(t *testing.T) {
	host, contained := anEvent(time.Second), inContainer("one", "")
	host.Workload, contained.Workload.ServiceName = &workload.Identity{ServiceName: "checkout"}, "cart"
	records := newMaker().records([]pending{{event: host}, {event: contained}, {event: inContainer("one", "")}})
	for i, want := range []map[string]string{
		{"service.name": "checkout"}, {"container.id": "one", "service.name": "cart"}, {"container.id": "one"},
	} {
		if got := resourceOf(&records[i]); !maps.Equal(got, want) {
			t.Errorf("record %d has the resource %v, want %v", i, got, want)
		}
	}
}

func TestRecordsOfOneContainerAreOneResourceInARequest(t *testing.T) {
	records := newMaker().records([]pending{
		{event: inContainer("one", "")}, {event: inContainer("two", "")}, {event: inContainer("one", "")},
	})
	if n := toLogs(records).ResourceLogs().Len(); n != 2 {
		t.Errorf("%d resources in the request, want 2", n)
	}
}

func TestTheEnvironmentOfKerntapIsNotThatOfAContainer(t *testing.T) {
	records := newMaker().records([]pending{{event: inContainer("one", "")}})
	for _, kv := range records[0].Resource().Attributes() {
		if strings.HasPrefix(string(kv.Key), "service.") || strings.HasPrefix(string(kv.Key), "telemetry.") {
			t.Errorf("the container's resource has %v", kv)
		}
	}
	if records[0].Resource().Set().HasValue(attribute.Key("host.name")) {
		t.Error("the container's resource has kerntap's host name")
	}
}

func TestTheBlanksOfContainersAreBounded(t *testing.T) {
	maker := newMaker()
	for i := range 3 * maxBlanks {
		maker.records([]pending{{event: inContainer("kept", "")}, {event: inContainer(fmt.Sprint("passing-", i), "")}})
	}
	if n := len(maker.blanks.known); n != maxBlanks || maker.blanks.recent.Len() != n {
		t.Errorf("%d blanks, want %d", n, maxBlanks)
	}
	if _, ok := maker.blanks.known[workload.Identity{ContainerID: "kept"}]; !ok {
		t.Error("the one that is used all the time has left")
	}
}

func TestACollectorGetsEachContainerUnderItsOwnResource(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var collector receiver
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.MetricsOTLP, o.LogDelay = nil, time.Hour
		p := begin(t, o)
		for _, e := range []*event{inContainer("one", "pod"), inContainer("two", ""), anEvent(0), inContainer("one", "pod")} {
			p.Handle(e)
		}
		if err := p.Shutdown(t.Context()); err != nil || len(collector.logs) != 1 {
			t.Fatalf("%d requests, %v", len(collector.logs), err)
		}
		got := make(map[string]int)
		for _, res := range collector.logs[0].ResourceLogs().All() {
			who := res.Resource().Attributes().AsRaw()
			got[fmt.Sprintf("%v %v %v", who["container.id"], who["k8s.pod.uid"], who["service.name"])] +=
				res.ScopeLogs().At(0).LogRecords().Len()
		}
		want := map[string]int{"one pod <nil>": 2, "two <nil> <nil>": 1, "<nil> <nil> kerntap": 1}
		if !maps.Equal(got, want) || collector.logs[0].ResourceLogs().Len() != len(want) {
			t.Errorf("records by resource: %v, want %v", got, want)
		}
	})
}
