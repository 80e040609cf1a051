package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/programs"
	"github.com/kerntap/kerntap/internal/config"
)

// What the packages' configuration offers in comments is taken as it stands, and programs that it names are there.
func TestThePackagedConfigurationIsTakenWithAndWithoutItsComments(t *testing.T) {
	text, err := os.ReadFile("../../packaging/kerntap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	offered := regexp.MustCompile(`(?m)^#(\S|  )`).ReplaceAll(text, []byte("$1"))
	if slices.Equal(text, offered) {
		t.Fatal("it offers nothing")
	}
	source := config.Source{Flags: map[string]string{"config": filepath.Join(t.TempDir(), "kerntap.yaml")}}
	for _, entry := range programs.All() {
		source.Known = append(source.Known, entry.Name)
	}
	for _, content := range [][]byte{text, offered} {
		if err := os.WriteFile(source.Flags["config"], content, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(source)
		if err != nil {
			t.Fatalf("%v in\n%s", err, content)
		}
		if _, err := newEngine(c, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	}
}
