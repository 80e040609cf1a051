package bpf_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

const connectionObject = "programs/connection/connection_bpfel.o"

func TestWireTypesHaveTheLayoutThatEveryObjectHas(t *testing.T) {
	for path, lacks := range map[string][]string{
		connectionObject: nil,
		"programs/packet_drop/packetdrop_bpfel.o": {"cgroup_names", "cached_head", "measures"}, // it names no cgroups and measures nothing
	} {
		spec, err := ebpf.LoadCollectionSpec(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, wire := range map[string]reflect.Type{
			"event_header": reflect.TypeFor[bpf.WireHeader](),
			"owner":        reflect.TypeFor[bpf.WireOwner](),
			"outcomes":     reflect.TypeFor[bpf.WireOutcomes](),
			"cgroup_names": reflect.TypeFor[bpf.WireCgroupNames](),
			"row_owner":    reflect.TypeFor[bpf.WireRowOwner](),
			"tally":        reflect.TypeFor[bpf.WireTally](),
			"run_head":     reflect.TypeFor[bpf.WireRunHead](),
			"cached_head":  reflect.TypeFor[bpf.WireCachedHead](),
			"measures":     reflect.TypeFor[bpf.WireMeasures](),
			"filter_set":   reflect.TypeFor[bpf.WireFilterSet](),
			"process_row":  reflect.TypeFor[bpf.WireProcessRow](),
			"allowance":    reflect.TypeFor[bpf.WireAllowance](),
		} {
			var c *btf.Struct
			err := spec.Types.TypeByName(name, &c)
			if errors.Is(err, btf.ErrNotFound) && slices.Contains(lacks, name) {
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			bpftest.SameLayout(t, c, wire)
		}
	}
}
