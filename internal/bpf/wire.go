package bpf

import (
	"bytes"
	"fmt"
	"time"
	"unsafe"

	"github.com/kerntap/kerntap/internal/workload"
)

// WireHeader is struct event_header of bpf/include/event.h, which opens every sample.
type WireHeader struct {
	TimestampNs uint64
	NetNS       uint32
	_           uint32
	Owner       WireOwner
}

// WireOwner is struct owner of bpf/include/event.h.
type WireOwner struct {
	StartBoottimeNs uint64
	CgroupID        uint64
	PID             uint32
	VPID            uint32
	Command         [16]byte
	Executable      [32]byte
}

// wireCgroupNames is struct cgroup_names of bpf/include/cgroup.h.
type wireCgroupNames struct {
	Name [4][128]byte
}

// Cast reads a sample as its wire type, which has no pointers. A sample of another size has another layout and is refused. The
// result is good as long as the sample is, and may be the sample itself.
func Cast[T any](sample []byte) (*T, error) {
	size := int(unsafe.Sizeof(*new(T)))
	if len(sample) != size {
		return nil, fmt.Errorf("sample has %d bytes, want %d", len(sample), size)
	}
	if at := unsafe.Pointer(unsafe.SliceData(sample)); uintptr(at)%unsafe.Alignof(*new(T)) == 0 {
		return (*T)(at), nil
	}
	wire := head[T](sample)
	return &wire, nil
}

// head returns what a longer sample begins with.
func head[T any](sample []byte) (wire T) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire)), sample)
	return wire
}

// headerDecoder turns wire headers into base events. It belongs to one goroutine.
type headerDecoder struct {
	session     *Session
	commands    names[[16]byte]
	executables names[[32]byte]
	identities  map[uint64]*workload.Identity // by cgroup; nil of one that is none's
}

func newHeaderDecoder(session *Session) *headerDecoder { return &headerDecoder{session: session} }

func (d *headerDecoder) decode(sample []byte) (BaseEvent, error) {
	size := int(unsafe.Sizeof(WireHeader{}))
	if len(sample) < size {
		return BaseEvent{}, fmt.Errorf("sample has %d bytes, a header alone has %d", len(sample), size)
	}
	wire, err := Cast[WireHeader](sample[:size])
	if err != nil {
		return BaseEvent{}, err
	}
	executable := d.executables.of(wire.Owner.Executable, wire.Owner.Executable[:])
	return BaseEvent{
		PID:        wire.Owner.PID,
		VPID:       wire.Owner.VPID,
		Timestamp:  wire.TimestampNs,
		WallOffset: d.session.Clock.Offset(wire.TimestampNs),
		Command:    d.commands.of(wire.Owner.Command, wire.Owner.Command[:]),
		Executable: executable,
		Workload:   d.workload(&wire.Owner, executable),
		NetNS:      wire.NetNS,
	}, nil
}

// workload returns where a process belongs, and what it is called.
func (d *headerDecoder) workload(owner *WireOwner, executable string) *workload.Identity {
	identity := d.identity(owner.CgroupID)
	if d.session.services == nil {
		return identity
	}
	name := d.session.services.Name(workload.Process{
		PID: owner.PID, Began: time.Duration(owner.StartBoottimeNs), Executable: executable,
	})
	if name == "" {
		return identity
	}
	named := workload.Identity{ServiceName: name}
	if identity != nil {
		named.ContainerID, named.PodUID = identity.ContainerID, identity.PodUID
	}
	return &named
}

// identity returns the container and the pod of a cgroup, nil if it has none. The kernel wrote the names down before the first event of
// the cgroup; what it has forgotten since is remembered here.
func (d *headerDecoder) identity(cgroup uint64) *workload.Identity {
	if cgroup == 0 {
		return nil
	}
	known, ok := d.identities[cgroup]
	if ok {
		return known
	}
	names := d.session.cgroupNames(cgroup)
	if names == nil {
		return nil
	}
	if d.identities == nil || len(d.identities) >= maxNames {
		d.identities = make(map[uint64]*workload.Identity)
	}
	if found := workload.Identify(names); found != (workload.Identity{}) {
		known = &found
	}
	d.identities[cgroup] = known
	return known
}

// maxNames bounds the names that are remembered: far more than a host runs at a time.
const maxNames = 4096

// names hands out the same string for the same bytes instead of a new one for each event: names repeat, mostly at once.
type names[K comparable] struct {
	known    map[K]string
	lastKey  K
	lastName string
}

// of returns the string up to the first zero byte of raw, which are the bytes of key.
func (n *names[K]) of(key K, raw []byte) string {
	if key == n.lastKey {
		return n.lastName // at first, of no bytes at all
	}
	name, ok := n.known[key]
	if !ok {
		if n.known == nil || len(n.known) >= maxNames {
			n.known = make(map[K]string)
		}
		name = text(raw)
		n.known[key] = name
	}
	n.lastKey, n.lastName = key, name
	return name
}

// Text returns the text of a C string in a wire type: up to its first zero byte, with what is no UTF-8 replaced.
func Text(chars []int8) string {
	raw := make([]byte, len(chars))
	for i, c := range chars {
		raw[i] = byte(c)
	}
	return text(raw)
}

func text(raw []byte) string {
	if end := bytes.IndexByte(raw, 0); end >= 0 {
		raw = raw[:end]
	}
	return string(bytes.ToValidUTF8(raw, []byte("\uFFFD")))
}
