package filter

import (
	"strings"
	"testing"
)

// What is written reads back as the same, with what is left out last.
func TestAListIsSpeltAsItIsRead(t *testing.T) {
	spelt := func(text string, err error) string {
		if err != nil {
			return err.Error()
		}
		return text
	}
	commands := func(text string) string {
		list, err := ParseCommands(text)
		return spelt(list.String(), err)
	}
	ports := func(text string) string {
		list, err := ParsePorts(text)
		return spelt(list.String(), err)
	}
	networks := func(text string) string {
		list, err := ParseNetworks(text)
		return spelt(list.String(), err)
	}
	for _, test := range []struct {
		read       func(string) string
		text, want string
	}{
		{commands, "", ""}, {commands, " , ", ""},
		{commands, "!sshd, nginx ,Web Content", "nginx,Web Content,!sshd"},
		{commands, strings.Repeat("x", 15), strings.Repeat("x", 15)},
		{ports, "65535,!8000-8999, 1 - 2", "65535,1-2,!8000-8999"},
		{networks, "10.0.0.0/8,!::1", "10.0.0.0/8,!::1/128"},
		{networks, "::ffff:192.0.2.1,0.0.0.0/0,::/0", "192.0.2.1/32,0.0.0.0/0,::/0"},
	} {
		got := test.read(test.text)
		if got != test.want || test.read(got) != got {
			t.Errorf("%q is read as %q, want %q", test.text, got, test.want)
		}
	}
}

func TestWhatIsNoEntryIsRefused(t *testing.T) {
	refused := func(err error, text string) {
		t.Helper()
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is answered with %v", text, err)
		}
	}
	for _, text := range []string{"!", strings.Repeat("x", 16), "a\x00b", strings.Repeat("a,", MaxCommands+1)} {
		_, err := ParseCommands(text)
		refused(err, text)
	}
	for _, text := range []string{"0", "65536", "-1", "1-", "2-1", "0-1", "http", "!!1", "1-2-3", strings.Repeat("1,", MaxPorts+1)} {
		_, err := ParsePorts(text)
		refused(err, text)
	}
	for _, text := range []string{"10.0.0.0/33", "10.0.0.1/8", "a", "::1%lo", "::ffff:10.0.0.0/104", "1.2.3", "!!::1",
		strings.Repeat("::,", MaxNetworks+1)} {
		_, err := ParseNetworks(text)
		refused(err, text)
	}
}

func TestRulesThatWantEverythingHaveNone(t *testing.T) {
	if (&Rules{}).Any() {
		t.Error("nothing is asked for, and something is left out")
	}
	for _, rules := range []Rules{{WithoutLoopback: true}, {Commands: List[string]{Not: []string{"a"}}},
		{Ports: List[Ports]{Only: []Ports{{1, 2}}}}} {
		if !rules.Any() {
			t.Errorf("%+v leaves nothing out", rules)
		}
	}
}
