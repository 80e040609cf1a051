package collector

import (
	"fmt"
	"net"
	"testing"
)

// What one node sends, to the collector of its node and from there to a gateway of two: each request goes to the other one,
// nothing is lost, and the bytes are those that examples/kubernetes/README.md tells of.
func TestANodeThroughTheGatewayTier(t *testing.T) {
	bytes := make(map[string]float64)
	for _, compression := range []string{"none", "gzip"} {
		t.Run(compression, func(t *testing.T) {
			g := startGateways(t)
			own := startCollector(t, []string{"GATEWAY_INSECURE=true", "GATEWAY_ENDPOINT=" + g.endpoint}, "gateway")
			n := startNode(t, compression, own)
			n.work(t)
			n.exportsAll(t)
			n.stop(t)
			own.stop(t)
			w := g.stop(t)
			if w.failed != commands*rounds {
				t.Errorf("%d failed connects were told, of %d", w.failed, commands*rounds)
			}
			g.shared(t)
			t.Log(w)
			w.isAsPromised(t)
			report(t, map[string]string{"none": "as it is by default", "gzip": "OTEL_EXPORTER_OTLP_COMPRESSION=gzip"}[compression], n.sent, w)
			report(t, "(`gateway.yaml`, gzip)", g.forwarded, w)
			bytes[compression] = float64(n.sent.sum("metrics").bytes) / float64(w.points)
		})
	}
	if bytes["gzip"] == 0 || bytes["gzip"]*4 > bytes["none"] {
		t.Errorf("bytes a point: %v", bytes)
	}
}

// gateways are two collectors by one name, each behind a listener that counts.
type gateways struct {
	collectors [2]collector
	listeners  [2]net.Listener
	forwarded  *meter
	endpoint   string
}

func startGateways(t *testing.T) gateways {
	t.Helper()
	g := gateways{collectors: [2]collector{startLast(t, nil), startLast(t, nil)}, forwarded: newMeter()}
	g.listeners[0] = listen(t, "tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(g.listeners[0].Addr().String())
	g.listeners[1] = listen(t, "tcp", "127.0.0.2:"+port)
	for i, listener := range g.listeners {
		g.forwarded.pass(t, listener, g.collectors[i].grpc)
	}
	names := startNames(t, [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2})
	g.endpoint = fmt.Sprintf("dns://%s/collector-gateway.kerntap.svc:%s", names, port)
	return g
}

// stop returns what both wrote.
func (g gateways) stop(t *testing.T) told {
	t.Helper()
	for _, c := range g.collectors {
		c.stop(t)
	}
	return read(t, g.collectors[:]...)
}

// shared fails unless each was sent its part.
func (g gateways) shared(t *testing.T) {
	t.Helper()
	a, b := g.forwarded.through(g.listeners[0]), g.forwarded.through(g.listeners[1])
	if min(a, b)*4 < a+b {
		t.Errorf("the gateways were sent %d and %d requests", a, b)
	}
	t.Logf("%d and %d requests to the gateways", a, b)
}

// report says what one export and one record took on a part of the way, which is a row of the README's table.
func report(t *testing.T, way string, m *meter, w told) {
	t.Helper()
	logs, metrics := m.sum("logs"), m.sum("metrics")
	export := float64(metrics.bytes) / float64(w.points) * float64(len(w.series))
	bytesAreAsPromised(t, way, export, float64(logs.bytes)/float64(w.records))
	t.Logf("%s: records in requests of %.0f", way, float64(w.records)/float64(logs.requests))
}
