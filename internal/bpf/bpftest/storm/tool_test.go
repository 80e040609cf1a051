package storm

import (
	"bytes"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// tool is another program that watches connections. Its lines go to /dev/null.
type tool struct {
	process
	errors *bytes.Buffer // complete once it has ended
}

// startTool returns once a tool's BPF programs are attached to tracepoints, for which it needs tracefs.
func startTool(b *testing.B, name string) tool {
	b.Helper()
	bpftest.RequireTool(b, name)
	const tracefs = "{ mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing; } && "
	t := tool{errors: new(bytes.Buffer)}
	cmd := exec.Command("unshare", "--mount", "sh", "-c", tracefs+"exec "+name)
	cmd.Stderr = t.errors
	t.process = startProcess(b, cmd)
	bpftest.Until(b, name+" has attached its programs", func() bool {
		return len(t.objects(b, "link_id", "prog_id")) > 0
	})
	return t
}

// end stops the tool and returns how many events it says that it has lost.
func (t tool) end(b *testing.B) (lost float64) {
	b.Helper()
	t.stop(b)
	for _, found := range regexp.MustCompile(`lost (\d+) events`).FindAllSubmatch(t.errors.Bytes(), -1) {
		n, _ := strconv.ParseFloat(string(found[1]), 64)
		lost += n
	}
	return lost
}
