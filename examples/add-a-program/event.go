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
	_ bpf.Tallied   = (*Event)(nil)
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

// Tally implements bpf.Tallied: a record is a sample, and what it shows is counted in its row.
func (e *Event) Tally() uint64 { return 0 }

// Detail implements bpf.Tallied.
func (e *Event) Detail() bpf.Detail { return bpf.Exported }

// Tally is how many changes one row of the ledger counted.
type Tally struct {
	bpf.RowTally
	// FileSystem is the type of the file system.
	FileSystem string
}

var _ bpf.Measured = (*Tally)(nil)

// GetEventType implements bpf.BPFEvent.
func (t *Tally) GetEventType() string { return Name }

// Measurements implements bpf.Measured.
func (t *Tally) Measurements(dst []telemetry.Measurement) []telemetry.Measurement {
	return append(dst, telemetry.Measurement{
		Metric: &fileChanges,
		Labels: t.Labels(telemetry.Label{Key: fileSystemType, Value: t.FileSystem}),
		Value:  float64(t.N),
	})
}
