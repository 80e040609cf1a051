package bpf_test

import (
	"testing"
	"unsafe"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

type endpoint struct {
	address [16]byte
	port, _ uint16
}

// connectionSample and packetDropSample are struct connection_event and struct packet_drop_event.
type connectionSample struct {
	header        bpf.WireHeader
	durationNs    uint64
	_             [32]uint8 // struct traffic
	local, peer   endpoint
	_             int32
	_             uint32
	_             [16]byte
	_             [3]uint32
	outcome, role uint8
	_             [2]uint8
	protocol      uint8
	_             [7]uint8
}

type packetDropSample struct {
	header                    bpf.WireHeader
	location                  uint64
	reason, length            uint32
	source, destination       endpoint
	ethertype                 uint16
	known, protocol, tcpFlags uint8
	_                         [3]uint8
	device                    [16]byte
	deviceIndex, receivedOn   uint32
	_                         [8]uint8
}

func bytesOf[T any](wire T) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire))...)
}

// decoding is one program with a sample of the most usual kind.
type decoding struct {
	name   string
	decode func(sample []byte) (bpf.BPFEvent, error)
	sample []byte
}

func decodings() []decoding {
	header := bpf.WireHeader{TimestampNs: 1, Owner: bpf.WireOwner{PID: 1234, VPID: 1}}
	copy(header.Owner.Command[:], "nginx")
	copy(header.Owner.Executable[:], "nginx")
	end := func(last byte, port uint16) endpoint {
		return endpoint{address: [16]byte{10: 0xff, 11: 0xff, 12: 192, 14: 2, 15: last}, port: port}
	}
	storage := bpf.NewInMemoryStorage()
	return []decoding{
		{"connection", connection.NewProgram(storage).Decoder(), bytesOf(connectionSample{
			header: header, durationNs: 1e6, local: end(1, 40000), peer: end(2, 443), outcome: 3, role: 1, protocol: 6})},
		{"packet_drop", packet_drop.NewProgram(storage).Decoder(), bytesOf(packetDropSample{
			header: header, location: 0xffffffff81000000, reason: 3, length: 60, source: end(1, 40000),
			destination: end(2, 443), ethertype: 0x0800, protocol: 6, known: 15, tcpFlags: 2,
			device: [16]byte{'e', 't', 'h', '0'}, deviceIndex: 2, receivedOn: 2})},
	}
}

func TestDecodingAllocatesTheEventAlone(t *testing.T) {
	for _, d := range decodings() {
		event, err := d.decode(d.sample) // warm: names and causes are remembered from here on
		if err != nil {
			t.Fatal(err)
		}
		if event.GetEventType() != d.name || event.GetPID() != 1234 || event.GetCommand() != "nginx" {
			t.Errorf("decoded %+v", event)
		}
		allocations := testing.AllocsPerRun(1000, func() {
			if _, err := d.decode(d.sample); err != nil {
				t.Error(err)
			}
		})
		if allocations > 1 {
			t.Errorf("%s: %v allocations a decoded event, want 1", d.name, allocations)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, d := range decodings() {
		b.Run(d.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.decode(d.sample); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
