package collector

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// broker speaks Kafka's protocol in this process, and counts what is written into its topics.
type broker struct {
	*kfake.Cluster
	mu sync.Mutex
	// written are what is in each topic, by partition.
	written map[string]map[int32]batches
}

// batches are some of Kafka's: messages, and bytes as they are stored.
type batches struct{ messages, bytes int }

const partitions = 4

func startBroker(t *testing.T) *broker {
	t.Helper()
	// The versions of a Kafka 3.6: later ones tell topics by number.
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(kversion.V3_6_0()),
		kfake.SeedTopics(partitions, "kerntap_logs", "kerntap_metrics"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &broker{Cluster: cluster, written: map[string]map[int32]batches{"kerntap_logs": {}, "kerntap_metrics": {}}}
	cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, topic := range request.(*kmsg.ProduceRequest).Topics {
			for _, partition := range topic.Partitions {
				var batch kmsg.RecordBatch
				if err := batch.ReadFrom(partition.Records); err != nil {
					t.Errorf("a batch that cannot be read: %v", err)
				}
				seen := b.written[topic.Topic][partition.Partition]
				b.written[topic.Topic][partition.Partition] = batches{seen.messages + int(batch.NumRecords), seen.bytes + len(partition.Records)}
			}
		}
		return nil, nil, false
	})
	return b
}

// topic is what is in a topic, and in how many of its partitions.
func (b *broker) topic(name string) (all batches, in int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, written := range b.written[name] {
		all.messages += written.messages
		all.bytes += written.bytes
	}
	return all, len(b.written[name])
}

// What a node sends goes through Kafka and out of it again in two collectors that share the partitions: nothing is lost, and
// what is of one Resource stays in one partition, and so in order.
func TestANodeThroughKafka(t *testing.T) {
	b := startBroker(t)
	brokers, err := json.Marshal(b.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{"KAFKA_BROKERS=" + string(brokers)}
	own := startCollector(t, environ, "kafka")
	readers := []collector{startLast(t, environ, "from-kafka"), startLast(t, environ, "from-kafka")}
	n := startNode(t, "gzip", own)
	n.work(t)
	exports := n.sent.sum("metrics").requests
	until(t, "metrics of all that was done are exported a few times", func() bool { return n.sent.sum("metrics").requests > exports+4 })
	n.stop(t)
	own.stop(t)
	logs, inLogs := b.topic("kerntap_logs")
	metrics, inMetrics := b.topic("kerntap_metrics")
	var w told
	until(t, "every failed connect and all metrics are read out of Kafka", func() bool {
		w = read(t, readers...)
		return w.failed == commands*rounds && w.resources >= metrics.messages
	})
	for _, reader := range readers {
		reader.stop(t)
	}
	t.Log(w)
	if inLogs != 1 || inMetrics != 1 {
		t.Errorf("one kerntap's records are in %d partitions, its metrics in %d", inLogs, inMetrics)
	}
	export := float64(metrics.bytes) / float64(w.points) * float64(len(w.series))
	t.Logf("in Kafka, zstd: %.1f kB an export of all series, %.0f MB a day at one every 10 s; %.0f B a record",
		export/1e3, export*8640/1e6, float64(logs.bytes)/float64(w.records))
}
