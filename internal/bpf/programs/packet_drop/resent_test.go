package packet_drop_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sentAgain is the kernel's own count of this thread's network namespace.
func sentAgain(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		t.Error(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Tcp:" {
			continue
		}
		if i := slices.Index(names, "RetransSegs"); i >= 0 && i < len(fields) {
			count, err := strconv.Atoi(fields[i])
			if err != nil {
				t.Error(err)
			}
			return count
		}
		names = fields
	}
	t.Error("the kernel does not say how many segments TCP sent again")
	return 0
}
