package connection

import (
	"errors"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
)

// settings fill a Config, or fail.
type settings func(*Config) error

func (s settings) Decode(into any) error { return s(into.(*Config)) }

func TestTheDefaultSendsFailuresEndsAndWhatListenersDrop(t *testing.T) {
	config := DefaultConfig()
	if err := config.Validate(); err != nil || strings.Join(config.Records, " ") != "failed closed listen_dropped" {
		t.Errorf("default %v, %v", config, err)
	}
}

func TestAnUnknownRecordIsRefusedByItsKey(t *testing.T) {
	for _, record := range []string{"", "unknown", "Failed", "open"} {
		err := Config{Records: []string{"opened", record}}.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "programs.connection.records: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", record, err)
		}
	}
	if err := (Config{Records: []string{"opened", "failed", "closed"}}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestAProgramIsBuiltAsSettingsSay(t *testing.T) {
	errSettings := errors.New("unknown key")
	for _, test := range []struct {
		settings settings
		ok       bool
	}{
		{func(*Config) error { return nil }, true},
		{func(c *Config) error { c.Records = nil; return nil }, true},
		{func(c *Config) error { c.Records = []string{"never"}; return nil }, false},
		{func(*Config) error { return errSettings }, false},
	} {
		program, err := New(test.settings, bpf.NewInMemoryStorage())
		if (err == nil) != test.ok || (program != nil) != test.ok {
			t.Errorf("built %v, %v, want ok %v", program, err, test.ok)
		}
	}
	program := NewProgram(bpf.NewInMemoryStorage())
	if program.GetName() != "connection" || program.GetObjectPath() != "bpf/connection.bpf.c" || program.GetDescription() == "" {
		t.Errorf("it is %s of %s", program.GetName(), program.GetObjectPath())
	}
}
