package export

import (
	"crypto/tls"
	"errors"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// misbehaviour is how a collector treats the first requests with log records, and what that costs.
type misbehaviour struct {
	// answer refuses, delays or takes the nth request, counted from 1.
	answer func(n int) (rejected int64, err error)
	// cause is, by protocol, what the records that were not taken are lost for; without it they are sent again.
	cause map[string]string
	// apart is the shortest time between the first requests that the collector has asked for.
	apart time.Duration
}

const misbehavedBatches = 4

func misbehaviours() map[string]misbehaviour {
	refuseFirst := func(n int, err error) func(int) (int64, error) {
		return func(request int) (int64, error) {
			if request <= n {
				return 0, err
			}
			return 0, nil
		}
	}
	patient := func(code codes.Code) error {
		asked, err := status.New(code, "come back later").WithDetails(
			&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
		return errors.Join(asked.Err(), err)
	}
	return map[string]misbehaviour{
		"slow": {answer: func(int) (int64, error) {
			<-time.After(2 * time.Second)
			return 0, nil
		}},
		"resource exhausted": {answer: refuseFirst(2, status.Error(codes.ResourceExhausted, "full")),
			cause: map[string]string{ProtocolGRPC: "resource_exhausted"}},
		"resource exhausted for a second": {answer: refuseFirst(2, patient(codes.ResourceExhausted)), apart: time.Second},
		"unavailable":                     {answer: refuseFirst(2, status.Error(codes.Unavailable, "no"))},
		"unavailable for a second":        {answer: refuseFirst(2, patient(codes.Unavailable)), apart: time.Second},
		"unimplemented": {answer: refuseFirst(2, status.Error(codes.Unimplemented, "no logs")),
			cause: map[string]string{ProtocolGRPC: "unimplemented", ProtocolHTTP: "404"}},
		"partial success": {answer: func(int) (int64, error) { return 3, nil },
			cause: map[string]string{ProtocolGRPC: causeRejected, ProtocolHTTP: causeRejected}},
	}
}

// However a collector misbehaves, each record is delivered or counted by why not, once, wherever one asks.
func TestWhateverACollectorDoesEveryRecordIsAccountedFor(t *testing.T) {
	for name, m := range misbehaviours() {
		for _, protocol := range protocols {
			t.Run(name+"/"+strings.ReplaceAll(protocol, "/", "-"), func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				var times []time.Time
				var untaken int64
				collector := receiver{answerLogs: func(l plog.Logs) (int64, error) {
					mu.Lock()
					times = append(times, time.Now())
					n := len(times)
					mu.Unlock()
					rejected, err := m.answer(n)
					mu.Lock()
					defer mu.Unlock()
					if untaken += rejected; err != nil {
						untaken += int64(l.LogRecordCount())
					}
					return rejected, err
				}}
				o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
				o.MetricInterval, o.Programs = 50*time.Millisecond, somePrograms
				p := begin(t, o)
				handleNumbered(p, 0, misbehavedBatches*maxBatch)
				s := awaitSettled(t, p)
				want := map[string]uint64{}
				if cause := m.cause[protocol]; cause != "" {
					want[cause] = uint64(untaken)
				}
				if s.Emitted != misbehavedBatches*maxBatch || !maps.Equal(s.Failed, want) || len(s.Dropped) > 0 {
					t.Errorf("%+v, want failed %v", s, want)
				}
				if got := collector.distinct(); uint64(got) < s.Exported {
					t.Errorf("%d records arrived, %d are said to have", got, s.Exported)
				}
				if apart := times[1].Sub(times[0]); apart < m.apart*9/10 {
					t.Errorf("the second request came %s after the first, although %s were asked for", apart, m.apart)
				}
				checkTold(t, p, &collector)
			})
		}
	}
}

// awaitSettled returns the account of log records once none waits.
func awaitSettled(t *testing.T, p *Pipeline) LogStatus {
	t.Helper()
	deadline := time.After(2 * patience)
	for retry := time.NewTicker(5 * time.Millisecond); ; {
		s := p.Status()[0].Logs
		checkIdentity(t, s)
		if s.Queued == 0 {
			retry.Stop()
			return s
		}
		select {
		case <-retry.C:
		case <-deadline:
			t.Fatalf("records still wait: %+v", s)
		}
	}
}

var exposed = regexp.MustCompile(`(?m)^kerntap_exporter_records_total\{(.*)\} (\d+)$`)

// checkTold fails unless the exposition and the last metrics that the collector got say the same as the status.
func checkTold(t *testing.T, p *Pipeline, collector *receiver) {
	t.Helper()
	want := map[string]uint64{}
	for set, n := range outcomes(p.Status()) {
		want[strings.TrimSuffix(set.name+" "+set.cause, " ")] = n
	}
	shown := map[string]uint64{}
	for _, line := range exposed.FindAllStringSubmatch(exposition(t, p), -1) {
		labels := map[string]string{}
		for label := range strings.SplitSeq(line[1], ",") {
			name, value, _ := strings.Cut(label, "=")
			labels[name], _ = strconv.Unquote(value)
		}
		n, _ := strconv.ParseUint(line[2], 10, 64)
		shown[strings.TrimSuffix(labels["kerntap_outcome"]+" "+labels["error_type"], " ")] = n
	}
	if !maps.Equal(shown, want) {
		t.Errorf("the exposition says %v, the status %v", shown, want)
	}
	_ = p.Shutdown(t.Context()) // says what it could not deliver
	told := map[string]uint64{}
	requests := collector.requestsWithMetrics()
	for _, m := range requests[len(requests)-1].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Name() != telemetry.ExporterRecords.Name {
			continue
		}
		for _, point := range m.Sum().DataPoints().All() {
			outcome, _ := point.Attributes().Get(telemetry.Outcome)
			cause, _ := point.Attributes().Get(telemetry.ErrorType)
			told[strings.TrimSuffix(outcome.Str()+" "+cause.Str(), " ")] = uint64(point.IntValue())
		}
	}
	if !maps.Equal(told, want) {
		t.Errorf("over OTLP it says %v, the status %v", told, want)
	}
}

// A collector whose certificate is not to be trusted gets nothing. It has been given a good one before the records are
// given up.
func TestABrokenCertificateIsWaitedFor(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		good, bad := newAuthority(t), newAuthority(t)
		impostor := receiver{tls: serving(t, bad)}
		address := impostor.start(t, protocol, "127.0.0.1:0")
		o := soon(protocol, address)
		o.LogsOTLP.TLS, o.MetricsOTLP.TLS = &tls.Config{RootCAs: good.pool}, &tls.Config{RootCAs: good.pool}
		o.LogsOTLP.Endpoint = strings.Replace(o.LogsOTLP.Endpoint, "http:", "https:", 1)
		o.MetricsOTLP.Endpoint = strings.Replace(o.MetricsOTLP.Endpoint, "http:", "https:", 1)
		o.Programs = somePrograms
		p := begin(t, o)
		handleNumbered(p, 0, 10)
		awaitWaiting(t, p)
		impostor.stop()
		if n := impostor.distinct(); n != 0 {
			t.Errorf("the impostor has %d records", n)
		}
		collector := receiver{tls: serving(t, good)}
		collector.start(t, protocol, address)
		collector.await(t, 10)
		if s := awaitSettled(t, p); s.Exported != 10 {
			t.Errorf("%+v", s)
		}
		checkTold(t, p, &collector)
	})
}

func serving(t *testing.T, a *authority) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{a.issue(t)}}
}
