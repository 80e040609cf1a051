package connection

import (
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
	"github.com/kerntap/kerntap/internal/workload"
)

// labels are a measurement's labels by key.
func labels(m telemetry.Measurement) map[string]string {
	all := make(map[string]string)
	for _, l := range m.Labels {
		if l != (telemetry.Label{}) {
			all[l.Key] = l.Value
		}
	}
	return all
}

// rowOf is a row of IPv4 connections.
func rowOf(role Role, outcome Outcome, errno syscall.Errno) connectionConnectionRow {
	return connectionConnectionRow{Role: uint8(role), Outcome: uint8(outcome), Error: int32(errno), Family: syscall.AF_INET}
}

func v6(wire connectionConnectionRow) connectionConnectionRow {
	wire.Family = syscall.AF_INET6
	return wire
}

func toPort(wire connectionConnectionRow, port uint16) connectionConnectionRow {
	wire.Port = port
	return wire
}

func active(wire connectionConnectionRow) connectionConnectionRow {
	wire.Active = 1
	return wire
}

func overUDP(wire connectionConnectionRow) connectionConnectionRow {
	wire.Protocol = syscall.IPPROTO_UDP
	return wire
}

// carried is what a row counted of connections that carried something.
func carried() bpf.RowTally {
	t := counted()
	t.Distribution, t.Second = nil, &telemetry.Distribution{Count: 4}
	t.Amounts = [4]uint64{10, 20, 5, 6}
	return t
}

// counted is what the rows of these tests counted: three of curl, two of which were timed.
func counted() bpf.RowTally {
	return bpf.RowTally{
		BaseEvent:    bpf.BaseEvent{Command: "curl"},
		N:            3,
		Distribution: &telemetry.Distribution{Count: 2, Sum: 0.003},
	}
}

func TestTalliesCountOutcomesAndTimeThem(t *testing.T) {
	const connections, connect, duration = "kerntap.tcp.connections", "kerntap.tcp.connect.duration",
		"kerntap.tcp.connection.duration"
	timed, untimed, everything := counted(), counted(), counted()
	untimed.Distribution = nil
	everything.Executable, everything.Workload = "/curl", &workload.Identity{ContainerID: "c", PodUID: "p"}
	for _, test := range []struct {
		name     string
		counted  bpf.RowTally
		row      connectionConnectionRow
		attempts uint64
		want     []string
	}{
		{"client opened", timed, rowOf(RoleClient, OutcomeOpened, 0), 3, []string{
			connections + " 3 map[kerntap.command:curl kerntap.tcp.role:client network.type:ipv4]",
			connect + " 2 map[kerntap.command:curl kerntap.tcp.role:client]"}},
		{"client refused over IPv6", timed, v6(rowOf(RoleClient, OutcomeFailed, syscall.ECONNREFUSED)), 3, []string{
			connections + " 3 map[error.type:refused kerntap.command:curl kerntap.tcp.role:client network.type:ipv6]",
			connect + " 2 map[error.type:refused kerntap.command:curl kerntap.tcp.role:client]"}},
		{"client gave up", untimed, rowOf(RoleClient, OutcomeFailed, 0), 3, []string{
			connections + " 3 map[error.type:cancelled kerntap.command:curl kerntap.tcp.role:client network.type:ipv4]"}},
		{"server opened", untimed, rowOf(RoleServer, OutcomeOpened, 0), 0, []string{
			connections + " 3 map[kerntap.command:curl kerntap.tcp.role:server network.type:ipv4]"}},
		{"client closed", timed, rowOf(RoleClient, OutcomeClosed, 0), 0, []string{
			duration + " 2 map[kerntap.command:curl kerntap.tcp.role:client]"}},
		{"server reset", timed, rowOf(RoleServer, OutcomeClosed, syscall.ECONNRESET), 0, []string{
			duration + " 2 map[error.type:reset kerntap.command:curl kerntap.tcp.role:server]"}},
		{"older than kerntap", bpf.RowTally{N: 3}, rowOf(RoleUnknown, OutcomeClosed, 0), 0, nil},
		{"measured where there was no room to count", bpf.RowTally{Distribution: timed.Distribution},
			rowOf(RoleClient, OutcomeOpened, 0), 0, []string{connect + " 2 map[kerntap.tcp.role:client]"}},
		{"client opened and stays", untimed, active(rowOf(RoleClient, OutcomeOpened, 0)), 3, []string{
			connections + " 3 map[kerntap.command:curl kerntap.tcp.role:client network.type:ipv4]",
			"kerntap.tcp.active_connections 3 map[kerntap.command:curl kerntap.tcp.role:client]"}},
		{"found when kerntap started", untimed, active(rowOf(RoleUnknown, OutcomeOpened, 0)), 0, []string{
			"kerntap.tcp.active_connections 3 map[kerntap.command:curl]"}},
		{"closed, with what it carried", carried(), active(rowOf(RoleClient, OutcomeClosed, 0)), 0, []string{
			"kerntap.tcp.active_connections -3 map[kerntap.command:curl kerntap.tcp.role:client]",
			"kerntap.tcp.rtt 4 map[kerntap.command:curl kerntap.tcp.role:client]",
			"kerntap.tcp.io 10 map[kerntap.command:curl network.io.direction:transmit]",
			"kerntap.tcp.io 20 map[kerntap.command:curl network.io.direction:receive]",
			"kerntap.tcp.segments 5 map[kerntap.command:curl network.io.direction:transmit]",
			"kerntap.tcp.segments 6 map[kerntap.command:curl network.io.direction:receive]"}},
		{"UDP", untimed, overUDP(rowOf(RoleClient, OutcomeFailed, syscall.ENETUNREACH)), 0, []string{
			"kerntap.udp.connections 3 map[error.type:network_unreachable kerntap.command:curl network.type:ipv4]"}},
		{"everything told apart", everything, toPort(rowOf(RoleServer, OutcomeClosed, 0), 443), 0, []string{
			duration + " 2 map[container.id:c k8s.pod.uid:p kerntap.command:curl kerntap.tcp.role:server " +
				"process.executable.name:/curl server.port:443]"}},
	} {
		event, err := row(test.counted, keyOf(test.row))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range event.(*Tally).Measurements(nil) {
			n := m.Value
			if m.Distribution != nil {
				n = float64(m.Distribution.Count)
			}
			got = append(got, fmt.Sprintf("%s %g %v", m.Metric.Name, n, labels(m)))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%q\nwant\n%q", test.name, got, test.want)
		}
		if attempts := event.(*Tally).Tally(); attempts != test.attempts {
			t.Errorf("%s: adds %d to summaries, want %d", test.name, attempts, test.attempts)
		}
		if bpf.DetailOf(event) != bpf.Counted {
			t.Errorf("%s: a tally is kept or exported", test.name)
		}
	}
}

func TestARowOfAnotherSizeIsRefused(t *testing.T) {
	key := keyOf(rowOf(RoleClient, OutcomeOpened, 0))
	for _, other := range [][]byte{nil, key[:8], append(key, 0)} {
		if event, err := row(counted(), other); err == nil || event != nil {
			t.Errorf("%d bytes: %v, %v", len(other), event, err)
		}
	}
}
