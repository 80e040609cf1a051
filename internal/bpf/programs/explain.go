package programs

import (
	"strings"

	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// DropReasons returns the names of the drop reasons that ExplainDrop knows.
func DropReasons() []string { return packet_drop.Reasons() }

// ExplainDrop says what a drop reason means, or a drop at a place of a kernel that gives no reason: a function, with or
// without its offset. What is not known is told in the kernel's own words.
func ExplainDrop(name string) (packet_drop.Meaning, bool) {
	function, _, _ := strings.Cut(name, "+")
	if meaning, ok := packet_drop.ExplainLocation(function); ok {
		return meaning, true
	}
	return packet_drop.Explain(name)
}
