package bpf

import "time"

// ConnectionInfo is the JSON form of a connection in the original contract's lists.
type ConnectionInfo struct {
	PID     uint32 `json:"pid"`
	Command string `json:"command"`
	// Destination is ip:port or [ip6]:port; an IPv4-mapped address is shown as IPv4.
	Destination string `json:"destination"`
	// Protocol is TCP or UDP.
	Protocol string `json:"protocol"`
	// ReturnCode is 0 for a connection that was opened, else the errno.
	ReturnCode int32     `json:"return_code"`
	Timestamp  time.Time `json:"timestamp"`
}

// PacketDropInfo is the JSON form of a packet drop in the original contract's lists.
type PacketDropInfo struct {
	PID        uint32    `json:"pid"`
	Command    string    `json:"command"`
	DropReason string    `json:"drop_reason"`
	SkbLength  uint32    `json:"skb_length"`
	Timestamp  time.Time `json:"timestamp"`
}

// ConnectionAttempt is an event that the original contract lists as a connection.
type ConnectionAttempt interface {
	BPFEvent
	// ConnectionInfo returns the contract's form, and false for events that are no client's attempt.
	ConnectionInfo() (ConnectionInfo, bool)
}

// PacketDrop is an event that the original contract lists as a packet drop.
type PacketDrop interface {
	BPFEvent
	// PacketDropInfo returns the contract's form.
	PacketDropInfo() PacketDropInfo
}

// TimestampNote explains the two times of the JSON forms.
const TimestampNote = "timestamp_ns counts from boot (CLOCK_MONOTONIC); wall_time is the same moment in UTC"

// ConnectionJSON is the JSON form of a connection event in the original contract.
type ConnectionJSON struct {
	PID             uint32    `json:"pid"`
	TimestampNS     uint64    `json:"timestamp_ns"`
	ReturnCode      int32     `json:"return_code"`
	Command         string    `json:"command"`
	DestinationIP   string    `json:"destination_ip"`
	DestinationPort uint16    `json:"destination_port"`
	Destination     string    `json:"destination"`
	AddressFamily   uint16    `json:"address_family"`
	Protocol        string    `json:"protocol"`
	SocketType      string    `json:"socket_type"`
	WallTime        time.Time `json:"wall_time"`
	Note            string    `json:"note"`
}

// PacketDropJSON is the JSON form of a packet drop event in the original contract.
type PacketDropJSON struct {
	PID            uint32    `json:"pid"`
	TimestampNS    uint64    `json:"timestamp_ns"`
	Command        string    `json:"command"`
	DropReasonCode uint32    `json:"drop_reason_code"`
	DropReason     string    `json:"drop_reason"`
	SkbLength      uint32    `json:"skb_length"`
	WallTime       time.Time `json:"wall_time"`
	Note           string    `json:"note"`
}
