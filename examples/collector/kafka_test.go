package collector

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// broker speaks Kafka's protocol in this process, and counts what is written into its topics.
type broker struct {
	*kfake.Cluster
	mu sync.Mutex
	// bytes are those of each topic as they are stored, by partition.
	bytes map[string]map[int32]int
	// points are how many points of metrics were written.
	points int
}

const (
	logsTopic    = "kerntap_logs"
	metricsTopic = "kerntap_metrics"
)

const partitions = 4

func startBroker(t *testing.T) *broker {
	t.Helper()
	// The versions of a Kafka 3.6: later ones tell topics by number.
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(kversion.V3_6_0()),
		kfake.SeedTopics(partitions, logsTopic, metricsTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &broker{Cluster: cluster, bytes: map[string]map[int32]int{logsTopic: {}, metricsTopic: {}}}
	cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		for _, topic := range request.(*kmsg.ProduceRequest).Topics {
			for _, partition := range topic.Partitions {
				if err := b.take(topic.Topic, partition.Partition, partition.Records); err != nil {
					t.Errorf("a batch for %s that cannot be read: %v", topic.Topic, err)
				}
			}
		}
		return nil, nil, false
	})
	return b
}

// take counts a batch as it is stored.
func (b *broker) take(topic string, partition int32, stored []byte) error {
	points := 0
	if topic == metricsTopic {
		messages, err := unpack(stored)
		if err != nil {
			return err
		}
		for _, message := range messages {
			metrics, err := new(pmetric.ProtoUnmarshaler).UnmarshalMetrics(message)
			if err != nil {
				return err
			}
			points += metrics.DataPointCount()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes[topic][partition] += len(stored)
	b.points += points
	return nil
}

// unpack returns the messages in a batch of Kafka's.
func unpack(stored []byte) (messages [][]byte, err error) {
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(stored); err != nil {
		return nil, err
	}
	rest := batch.Records
	if codec := kgo.CompressionCodecType(batch.Attributes & 7); codec != kgo.CodecNone {
		if rest, err = kgo.DefaultDecompressor().Decompress(rest, codec); err != nil {
			return nil, err
		}
	}
	for range batch.NumRecords {
		length, of := binary.Varint(rest)
		end := of + int(length)
		if of <= 0 || end < of || end > len(rest) {
			return nil, fmt.Errorf("a message of %d bytes in the last %d of its batch", length, len(rest))
		}
		var message kmsg.Record
		if err := message.ReadFrom(rest[:end]); err != nil {
			return nil, err
		}
		messages, rest = append(messages, message.Value), rest[end:]
	}
	return messages, nil
}

// topic is how many bytes are in a topic, and in how many of its partitions.
func (b *broker) topic(name string) (bytes, in int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, stored := range b.bytes[name] {
		bytes += stored
	}
	return bytes, len(b.bytes[name])
}

// sent is how many points of metrics were written.
func (b *broker) sent() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.points
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
	n.exportsAll(t)
	n.stop(t)
	own.stop(t)
	logs, inLogs := b.topic(logsTopic)
	metrics, inMetrics := b.topic(metricsTopic)
	var w told
	bpftest.Until(t, "every failed connect and all metrics are read out of Kafka", func() bool {
		w = read(t, readers...)
		return w.failed >= commands*rounds && w.points >= b.sent()
	})
	for _, reader := range readers {
		reader.stop(t)
	}
	w = read(t, readers...)
	t.Log(w)
	if w.failed != commands*rounds || w.points != b.sent() {
		t.Errorf("%d failed connects were read, of %d; %d points, of %d", w.failed, commands*rounds, w.points, b.sent())
	}
	if inLogs != 1 || inMetrics != 1 {
		t.Errorf("one kerntap's records are in %d partitions, its metrics in %d", inLogs, inMetrics)
	}
	export := float64(metrics) / float64(w.points) * float64(len(w.series))
	w.isAsPromised(t)
	bytesAreAsPromised(t, "(`kafka.yaml`, zstd)", export, float64(logs)/float64(w.records))
}
