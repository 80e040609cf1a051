package connection

import (
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
)

func TestEveryErrorHasItsType(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ECONNREFUSED:  "refused",
		syscall.ETIMEDOUT:     "timed_out",
		syscall.ECONNRESET:    "reset",
		syscall.EPIPE:         "reset",
		syscall.EHOSTUNREACH:  "host_unreachable",
		syscall.ENETUNREACH:   "network_unreachable",
		syscall.EADDRNOTAVAIL: "address_not_available",
		syscall.EACCES:        "permission_denied",
		syscall.EPERM:         "permission_denied",
		syscall.ENOMEM:        "_OTHER",
		syscall.Errno(4095):   "_OTHER",
	} {
		for _, outcome := range []Outcome{OutcomeFailed, OutcomeClosed} {
			if got := errorType(outcome, errno); got != want {
				t.Errorf("%s with %v: error.type %q, want %q", outcome, errno, got, want)
			}
		}
	}
	if got := errorType(OutcomeFailed, 0); got != "cancelled" {
		t.Errorf("a connect without an answer: error.type %q, want cancelled", got)
	}
	for _, outcome := range []Outcome{OutcomeOpened, OutcomeClosed} {
		if got := errorType(outcome, 0); got != "" {
			t.Errorf("an ordinary %s: error.type %q, want none", outcome, got)
		}
	}
}

func TestEveryOutcomeHasItsNameAndSeverity(t *testing.T) {
	for _, test := range []struct {
		outcome  Outcome
		errno    syscall.Errno
		name     string
		severity telemetry.Severity
	}{
		{OutcomeOpened, 0, "kerntap.tcp.connection.opened", telemetry.Info},
		{OutcomeFailed, syscall.ECONNREFUSED, "kerntap.tcp.connection.failed", telemetry.Warn},
		{OutcomeFailed, 0, "kerntap.tcp.connection.failed", telemetry.Info}, // cancelled
		{OutcomeClosed, 0, "kerntap.tcp.connection.closed", telemetry.Info},
		{OutcomeClosed, syscall.ECONNRESET, "kerntap.tcp.connection.closed", telemetry.Info},
		{OutcomeListenDropped, 0, "kerntap.tcp.listen.dropped", telemetry.Warn},
	} {
		for _, role := range []Role{RoleUnknown, RoleClient, RoleServer} {
			e := event(role, test.outcome, test.errno)
			if e.EventName() != test.name || e.Severity() != test.severity {
				t.Errorf("%s %s, %v: %s, severity %d", role, test.outcome, test.errno, e.EventName(), e.Severity())
			}
		}
	}
}

func TestABodyIsOneLineForPeople(t *testing.T) {
	lasting := func(d time.Duration) func(*Event) { return func(e *Event) { e.Duration = d } }
	for _, test := range []struct {
		event *Event
		want  string
	}{
		{event(RoleClient, OutcomeOpened, 0), "curl[1234] connected to 198.51.100.2:443 in 1.5ms"},
		{with(event(RoleClient, OutcomeOpened, 0), overIPv6), "curl[1234] connected to [2001:db8::2]:443 in 1.5ms"},
		{event(RoleServer, OutcomeOpened, 0), "curl[1234] accepted 198.51.100.2:443 on 192.0.2.1:40000"},
		{event(RoleClient, OutcomeFailed, syscall.ECONNREFUSED),
			"curl[1234] could not connect to 198.51.100.2:443: connection refused after 1.5ms"},
		{with(event(RoleClient, OutcomeFailed, syscall.EADDRNOTAVAIL), untimed),
			"curl[1234] could not connect to 198.51.100.2:443: cannot assign requested address"},
		{with(event(RoleClient, OutcomeFailed, syscall.ETIMEDOUT), lasting(127_123_456_789)),
			"curl[1234] could not connect to 198.51.100.2:443: connection timed out after 2m7.123s"},
		{event(RoleClient, OutcomeFailed, 0), "curl[1234] gave up connecting to 198.51.100.2:443 after 1.5ms"},
		{with(with(event(RoleClient, OutcomeFailed, ErrnoUnseen), untimed), portForgotten),
			"curl[1234] could not connect to 198.51.100.2: the kernel did not let it be seen why"},
		{with(event(RoleServer, OutcomeFailed, syscall.ECONNRESET), untimed),
			"curl[1234] lost 198.51.100.2:443 on 192.0.2.1:40000 before it was established: connection reset by peer"},
		{with(event(RoleServer, OutcomeFailed, 0), untimed),
			"curl[1234] lost 198.51.100.2:443 on 192.0.2.1:40000 before it was established: given up"},
		{event(RoleClient, OutcomeClosed, 0), "curl[1234] ended its connection with 198.51.100.2:443 after 1.5ms"},
		{event(RoleServer, OutcomeClosed, syscall.ECONNRESET),
			"curl[1234] ended its connection with 198.51.100.2:443 after 1.5ms: connection reset by peer"},
		{with(with(event(RoleUnknown, OutcomeClosed, 0), untimed), ofNobody),
			"an unknown process ended its connection with 198.51.100.2:443"},
		{with(event(RoleClient, OutcomeClosed, 0), carrying),
			"curl[1234] ended its connection with 198.51.100.2:443 after 1.5ms, 5 bytes sent, 7 received"},
		{with(with(event(RoleUnknown, OutcomeClosed, 0), carrying), byHolder),
			"curl[1234] ended its connection with 198.51.100.2:443 after at least 1.5ms, 5 bytes sent, 7 received"},
		{with(event(RoleServer, OutcomeListenDropped, 0), listening),
			"curl[1234] dropped 57 packets on 192.0.2.1:40000: its queue is full, 2 wait to be accepted"},
		{with(with(event(RoleServer, OutcomeListenDropped, 0), listening), calm),
			"curl[1234] dropped 1 packet on 192.0.2.1:40000: 0 wait to be accepted, and its queue is full with 129"},
		{with(event(RoleClient, OutcomeOpened, 0), ofTheKernel), "kernel connected to 198.51.100.2:443 in 1.5ms"},
		{with(event(RoleClient, OutcomeOpened, 0), lasting(time.Second)), "curl[1234] connected to 198.51.100.2:443 in 1s"},
		{with(event(RoleClient, OutcomeOpened, 0), lasting(12_345)), "curl[1234] connected to 198.51.100.2:443 in 12µs"},
	} {
		if got := test.event.Body(); got != test.want {
			t.Errorf("body %q, want %q", got, test.want)
		}
	}
}
