package packet_drop

import (
	"fmt"

	"github.com/kerntap/kerntap/internal/bpf"
)

// The flags of samples and rows, DROP_… in bpf/packet_drop.bpf.c: the lowest are a packetMeaning.
const (
	meaningBits     = 4
	flagHasProtocol = 1 << 4 // the number of the IP protocol is known
)

// decoder turns samples into events. It belongs to one goroutine.
type decoder struct {
	causes
	devices deviceNames
}

// maxDevices bounds the names of devices that are remembered: far more than a host has at a time.
const maxDevices = 4096

// deviceNames hands out the same string for the same name.
type deviceNames map[[16]int8]string

func (d *deviceNames) of(raw [16]int8) string {
	name, ok := (*d)[raw]
	if !ok {
		if *d == nil || len(*d) >= maxDevices {
			*d = make(deviceNames)
		}
		name = bpf.Text(raw[:])
		(*d)[raw] = name
	}
	return name
}

func (d *decoder) decode(base bpf.BaseEvent, sample []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[packetDropPacketDropEvent](sample)
	if err != nil {
		return nil, fmt.Errorf("packet drop: %w", err)
	}
	cause := d.causeOf(causeKey{wire.Reason, wire.Location, packetMeaning(wire.Flags) & packetAll})
	return &Event{
		BaseEvent:  base,
		cause:      cause,
		ReasonCode: wire.Reason,
		Packet:     packetOf(wire, d.devices.of(wire.Device), cause),
	}, nil
}
