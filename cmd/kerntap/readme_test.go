package main

import (
	"os"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/config"
)

// The README's table of options is that of the code.
func TestTheREADMENamesEveryOption(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for _, option := range config.Options() {
		for _, name := range []string{option.Env, option.OTelEnv} {
			if name != "" && !strings.Contains(readme, "`"+name+"`") {
				t.Errorf("README.md lacks the environment variable %s", name)
			}
		}
		if option.Flag != "" && !strings.Contains(readme, "`--"+option.Flag) {
			t.Errorf("README.md lacks the flag --%s", option.Flag)
		}
		if option.Key != "" && option.Key != "programs" && !strings.Contains(readme, "`"+option.Key+"`") {
			t.Errorf("README.md lacks the key %s", option.Key)
		}
		if option.Default != "" && !strings.Contains(readme, option.Default) {
			t.Errorf("README.md lacks the default %s of %s", option.Default, option.Key+option.OTelEnv)
		}
	}
}
