package kernel

import (
	"os"
	"testing"
)

// missing skips a test of the running kernel that lacks what it needs, and fails it where REQUIRE_BPF is set.
func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_BPF") != "" {
		t.Fatal("REQUIRE_BPF is set, and this test needs " + why)
	}
	t.Skip("needs " + why)
}
