package file_change

import (
	"fmt"
	"strconv"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// fileInode and fileSystemType are attributes of the OpenTelemetry semantic conventions.
const (
	fileInode      = "file.inode"
	fileSystemType = "system.filesystem.type"
)

var fileChanges = telemetry.Metric{
	Name: "kerntap.file.changes", Unit: "{change}", Description: "Inodes that became dirty.", Kind: telemetry.Counter,
}

// Event is one change of a file or directory.
type Event struct {
	bpf.BaseEvent
	// Inode is the inode's number on its file system.
	Inode uint64
	// FileSystem is the type of the file system.
	FileSystem string
}

var (
	_ bpf.Described = (*Event)(nil)
	_ bpf.Measured  = (*Event)(nil)
)

// GetEventType implements bpf.BPFEvent.
func (e *Event) GetEventType() string { return Name }

// EventName implements bpf.Described.
func (e *Event) EventName() string { return "kerntap.file.changed" }

// Severity implements bpf.Described.
func (e *Event) Severity() telemetry.Severity { return telemetry.Info }

// Body implements bpf.Described.
func (e *Event) Body() string {
	return fmt.Sprintf("%s changed inode %d on %s", e.Who(), e.Inode, e.FileSystem)
}

// Attributes implements bpf.Described.
func (e *Event) Attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	return append(e.OwnerAttributes(dst),
		telemetry.String(fileInode, strconv.FormatUint(e.Inode, 10)),
		telemetry.String(fileSystemType, e.FileSystem))
}

// Measurements implements bpf.Measured.
func (e *Event) Measurements(dst []telemetry.Measurement) []telemetry.Measurement {
	return append(dst, telemetry.Measurement{
		Metric: &fileChanges,
		Labels: telemetry.LabelSet(
			telemetry.Label{Key: telemetry.Command, Value: e.Command},
			telemetry.Label{Key: fileSystemType, Value: e.FileSystem},
		),
		Value: 1,
	})
}
