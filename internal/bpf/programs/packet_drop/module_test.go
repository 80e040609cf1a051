package packet_drop_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/kernel"
)

// laterModule is where the machines of the matrix have a module that nothing has loaded (scripts/initramfs.sh).
const laterModule = "/modules/later/geneve.ko"

// A place in a module that was loaded after the symbols were read has its name, and the module's.
func TestAPlaceInAModuleLoadedLaterIsNamed(t *testing.T) {
	bpftest.Require(t)
	file, err := os.Open(laterModule)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this machine has no module for it")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := kernel.OpenLocations(); err != nil {
		t.Skip(err)
	}
	pair := bpftest.NewPair(t)
	recorder := startAll(t)
	const port = 6081
	told := func(from uint16) *packet_drop.Event {
		packet := toFar().UDP(from, port, []byte{0xff, 0, 0, 0, 0, 0, 0, 0}) // of a version that there is not
		frame(packet)(t, pair, 1)
		return bpftest.Await(t, recorder, "a drop", func(e *packet_drop.Event) bool { return e.Source.Port() == from })
	}
	if e := told(4001); strings.Contains(e.Location(), "[") { // and have the symbols looked at
		t.Fatalf("the module is there already: %s", e.Body())
	}
	if err := unix.FinitModule(int(file.Fd()), "", 0); err != nil {
		t.Fatalf("load the module: %v", err)
	}
	pair.Far.Run(t, "ip", "link", "add", mouth, "type", "geneve", "id", "7", "remote", bpftest.Near.String())
	pair.Far.Run(t, "ip", "link", "set", mouth, "up")
	e := told(4002)
	if !strings.HasPrefix(e.Location(), "geneve_") || !strings.HasSuffix(e.Location(), " [geneve]") {
		t.Errorf("at %q, want a function of the module: %s", e.Location(), e.Body())
	}
	t.Log(e.Body())
}
