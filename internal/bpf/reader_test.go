package bpf

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unsafe"
)

type sampleEvent struct{ BaseEvent }

func (*sampleEvent) GetEventType() string { return "sample" }

// sampled is a program whose samples are bare headers.
func sampled() *Program {
	return NewProgram(Spec{
		Name: "sample",
		Decode: func(base BaseEvent, sample []byte) (BPFEvent, error) {
			if _, err := Cast[WireHeader](sample); err != nil {
				return nil, err
			}
			return &sampleEvent{base}, nil
		},
	}, NewInMemoryStorage())
}

func sampleOf[T any](wire T) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire))...)
}

func TestAReaderDropsAndCountsWhatFindsItsChannelFull(t *testing.T) {
	p := sampled()
	headers := newHeaderDecoder(p.session)
	sample := sampleOf(WireHeader{TimestampNs: 1})
	for range eventBuffer + 3 {
		p.deliver(headers, sample)
	}
	if stats := p.Status().Stats; stats.Delivered != eventBuffer || stats.Dropped != 3 || stats.Undecodable != 0 {
		t.Errorf("stats %+v, want %d delivered and 3 dropped", stats, eventBuffer)
	}
	if len(p.events) != eventBuffer {
		t.Errorf("%d events wait", len(p.events))
	}
}

func TestASampleThatCannotBeDecodedIsCounted(t *testing.T) {
	p := sampled()
	headers := newHeaderDecoder(p.session)
	sample := sampleOf(WireHeader{})
	for _, sample := range [][]byte{nil, sample[:4], append(sample, 0), sample} {
		p.deliver(headers, sample)
	}
	if stats := p.Status().Stats; stats.Undecodable != 3 || stats.Delivered != 1 || stats.Dropped != 0 {
		t.Errorf("stats %+v, want 3 undecodable and 1 delivered", stats)
	}
}

func TestAReaderThatEndsFailsItsProgram(t *testing.T) {
	for want, end := range map[string]error{
		"read program sample: epoll broke":         errors.New("epoll broke"),
		"read program sample: the ring was closed": os.ErrClosed,
	} {
		p := sampled()
		p.readerEnded(end)
		if status := p.Status(); status.State != Failed || status.Reason != want {
			t.Errorf("status %+v, want failed: %s", status, want)
		}
		if err := p.Load(); !errors.Is(err, ErrOutOfOrder) || !strings.Contains(err.Error(), "it is failed") {
			t.Errorf("load: %v", err)
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
}
