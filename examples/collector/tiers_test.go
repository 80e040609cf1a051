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
			gateways := [2]collector{startLast(t, nil), startLast(t, nil)}
			first := listen(t, "tcp", "127.0.0.1:0")
			_, port, _ := net.SplitHostPort(first.Addr().String())
			second := listen(t, "tcp", "127.0.0.2:"+port)
			forwarded := newMeter()
			forwarded.pass(t, first, gateways[0].grpc)
			forwarded.pass(t, second, gateways[1].grpc)
			names := startNames(t, [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2})
			own := startCollector(t, []string{"GATEWAY_INSECURE=true",
				fmt.Sprintf("GATEWAY_ENDPOINT=dns://%s/collector-gateway.kerntap.svc:%s", names, port)}, "gateway")
			n := startNode(t, compression, own)
			n.work(t)
			exports := n.sent.sum("metrics").requests
			until(t, "metrics of all that was done are exported a few times", func() bool { return n.sent.sum("metrics").requests > exports+4 })
			n.stop(t)
			own.stop(t)
			gateways[0].stop(t)
			gateways[1].stop(t)

			w := read(t, gateways[0], gateways[1])
			if w.failed != commands*rounds {
				t.Errorf("%d failed connects were told, of %d", w.failed, commands*rounds)
			}
			a, b := forwarded.through(first), forwarded.through(second)
			if min(a, b)*4 < a+b {
				t.Errorf("the gateways were sent %d and %d requests", a, b)
			}
			t.Logf("%s; %d and %d requests to the gateways", w, a, b)
			report(t, "to the collector of the node, "+compression, n.sent, w)
			report(t, "to the gateway, gzip", forwarded, w)
			bytes[compression] = float64(n.sent.sum("metrics").bytes) / float64(w.points)
		})
	}
	if bytes["gzip"] == 0 || bytes["gzip"]*4 > bytes["none"] {
		t.Errorf("bytes a point: %v", bytes)
	}
}

// report says what one export and one record took on a part of the way.
func report(t *testing.T, way string, m *meter, w told) {
	t.Helper()
	logs, metrics := m.sum("logs"), m.sum("metrics")
	export := float64(metrics.bytes) / float64(w.points) * float64(len(w.series))
	t.Logf("%s: %.1f kB an export of all series, %.0f MB a day at one every 10 s; %.0f B a record in requests of %.0f",
		way, export/1e3, export*8640/1e6, float64(logs.bytes)/float64(w.records), float64(w.records)/float64(logs.requests))
}
