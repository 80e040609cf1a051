package export

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// A size that is estimated must never be below the size on the wire.
func TestSizesAreNotUnderestimated(t *testing.T) {
	o, err := Options{Version: "1.2.3", ResourceAttributes: map[string]string{"a": strings.Repeat("r", 300)}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	maker := newRecordMaker(o, newResource(o))
	for _, length := range []int{0, 1, 127, 128, 16383, 16384, 1 << 21} {
		e := benchEvent()
		e.body = strings.Repeat("b", length)
		e.attrs = append(e.attrs, telemetry.String("k", strings.Repeat("v", length)), telemetry.Int("n", -1),
			telemetry.String(strings.Repeat("k", length), ""))
		batch := []pending{{e, -1}, {anEvent(time.Second), 1}}
		records := maker.records(batch)
		estimate := headSizeOf(&records[0])
		for i := range records {
			estimate += sizeOf(&records[i])
		}
		if real := (&plog.ProtoMarshaler{}).LogsSize(toLogs(records)); estimate < real || estimate > 2*real+1000 {
			t.Errorf("texts of %d bytes: estimated %d bytes, %d on the wire", length, estimate, real)
		}
	}
}

func TestSizesOfValuesThatEventsDoNotHave(t *testing.T) {
	o, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	maker := newRecordMaker(o, newResource(o))
	for _, value := range []attribute.Value{attribute.StringSliceValue(make([]string, 100)),
		attribute.Int64SliceValue([]int64{-1, 0, 1 << 62}), attribute.BoolSliceValue(make([]bool, 100)),
		attribute.ByteSliceValue(make([]byte, 100)), attribute.MapValue(attribute.String("k", "v"))} {
		r := maker.records([]pending{{anEvent(0), 0}})[0]
		without, before := sizeOf(&r), wireSize(r)
		r.SetBody(value)
		if grown := wireSize(r) - before; sizeOf(&r)-without < grown {
			t.Errorf("%s: grows by %d bytes, estimated %d", value.Type(), grown, sizeOf(&r)-without)
		}
	}
}

func wireSize(r sdklog.Record) int {
	return (&plog.ProtoMarshaler{}).LogsSize(toLogs([]sdklog.Record{r}))
}

func TestEveryResourceOfABatchIsCounted(t *testing.T) {
	const containers, limit = 400, 64 << 10
	batch := make([]pending, containers)
	for i := range batch {
		batch[i].event = inContainer(fmt.Sprintf("%064d", i), fmt.Sprintf("%036d", i))
	}
	records := newMaker().records(batch)
	n := fitting(records, limit)
	if real := (&plog.ProtoMarshaler{}).LogsSize(toLogs(records[:n])); n < containers/10 || real > limit {
		t.Errorf("%d records of as many containers are to fit into %d bytes, and take %d", n, limit, real)
	}
}
