package storm

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

func TestMain(m *testing.M) {
	bpftest.RunHelper(map[string]bpftest.Helper{
		"flood": flood, "serve": serve, "connect": connect, "answer": answer, "ask": ask, "getppid": getppid,
	})
	goleak.VerifyTestMain(m)
}
