package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// settings has every kind of field that a program may have.
type settings struct {
	Records   int
	Port      uint16         `yaml:"port"`
	Interval  time.Duration  `yaml:"interval"`
	Ratio     float64        `yaml:"ratio"`
	Loopback  bool           `yaml:"loopback"`
	Reasons   []string       `yaml:"reasons"`
	Range     netip.Prefix   `yaml:"range"`
	Ranges    []netip.Prefix `yaml:"ranges"`
	Limits    map[string]int `yaml:"limits"`
	Throttle  throttle       `yaml:"throttle"`
	Rules     []throttle     `yaml:"rules"`
	Ignored   string         `yaml:"-"`
	unwatched string
}

type throttle struct {
	Row int `yaml:"row"`
}

// programOf loads a file in which the packet_drop program has settings, one a line from line 3 on.
func programOf(t *testing.T, lines string) Program {
	t.Helper()
	inFolder(t, "programs:\n  packet_drop:\n    "+strings.ReplaceAll(lines, "\n", "\n    ")+"\n")
	c, err := Load(Source{Known: known(), File: "kerntap.yaml"})
	if err != nil {
		t.Fatalf("%s: %v", lines, err)
	}
	return c.Programs["packet_drop"]
}

func TestProgramDecodesItsSettings(t *testing.T) {
	program := programOf(t, `enabled: false
records: 5
port: 65535
interval: 10s
ratio: 0.5
loopback: true
reasons: [NO_SOCKET, 7]
range: 10.0.0.0/8
ranges: ["::1/128"]
limits: {a: 1}
throttle: {row: 3}
rules: [{row: 1}, {row: 2}]`)
	got := settings{unwatched: "kept", Ignored: "kept"}
	if err := program.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := settings{
		Records: 5, Port: 65535, Interval: 10 * time.Second, Ratio: 0.5, Loopback: true,
		Reasons: []string{"NO_SOCKET", "7"}, Range: netip.MustParsePrefix("10.0.0.0/8"),
		Ranges: []netip.Prefix{netip.MustParsePrefix("::1/128")}, Limits: map[string]int{"a": 1},
		Throttle: throttle{3}, Rules: []throttle{{1}, {2}}, Ignored: "kept", unwatched: "kept",
	}
	if program.Enabled || !reflect.DeepEqual(got, want) {
		t.Errorf("enabled %v, settings\n%+v, want\n%+v", program.Enabled, got, want)
	}
}

func TestProgramKeepsWhatTheFileLeavesOut(t *testing.T) {
	for _, program := range []Program{{}, programOf(t, "records:"), Default("packet_drop").Programs["packet_drop"]} {
		got := settings{Records: 7, Reasons: []string{"all"}}
		if err := program.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got.Records != 7 || len(got.Reasons) != 1 {
			t.Errorf("settings %+v, want what they were", got)
		}
	}
}

func TestProgramsKeepTheirSettingsWhenSelected(t *testing.T) {
	inFolder(t, "programs: {packet_drop: {enabled: false, records: 5}}\n")
	source := Source{Known: known(), File: "kerntap.yaml", Flags: map[string]string{"programs": "packet_drop"}}
	c, err := Load(source)
	if err != nil {
		t.Fatal(err)
	}
	var got settings
	if err := c.Programs["packet_drop"].Decode(&got); err != nil || got.Records != 5 {
		t.Errorf("records %d, %v, want 5", got.Records, err)
	}
	if !c.Programs["packet_drop"].Enabled || c.Programs["connection"].Enabled {
		t.Errorf("enabled are %v, want [packet_drop]", c.Enabled())
	}
}

func TestProgramRefuses(t *testing.T) {
	for lines, want := range map[string]string{
		"recrods: 5":      `3: unknown key "programs.packet_drop.recrods" (did you mean "programs.packet_drop.records"?)`,
		"ignored: 5":      `3: unknown key "programs.packet_drop.ignored"`,
		"unwatched: 5":    `3: unknown key "programs.packet_drop.unwatched"`,
		"\"\": 5":         `3: unknown key "programs.packet_drop."`,
		"port: 1\nx.y: 1": `4: unknown key programs.packet_drop."x.y"`,
		"throttle: {rwo: 1}": `3: unknown key "programs.packet_drop.throttle.rwo" (did you mean ` +
			`"programs.packet_drop.throttle.row"?)`,
		"records: abc":               `3: programs.packet_drop.records: "abc" is not a whole number of 64 bits`,
		"records: 1.5":               `3: programs.packet_drop.records: "1.5" is not a whole number of 64 bits`,
		"records: [1]":               `3: programs.packet_drop.records: a list is not a whole number of 64 bits`,
		"port: 65536":                `3: programs.packet_drop.port: "65536" is not a whole number from 0 to 65535`,
		"port: -1":                   `3: programs.packet_drop.port: "-1" is not a whole number from 0 to 65535`,
		"interval: soon":             `3: programs.packet_drop.interval: "soon" is not a duration (example: 10s)`,
		"interval: 10":               `3: programs.packet_drop.interval: "10" is not a duration (example: 10s)`,
		"ratio: half":                `3: programs.packet_drop.ratio: "half" is not a number`,
		"loopback: maybe":            `3: programs.packet_drop.loopback: "maybe" is not true or false`,
		"reasons: NO_SOCKET":         `3: programs.packet_drop.reasons: expected a list, found "NO_SOCKET"`,
		"reasons:\n- a\n- {b: c}":    `5: programs.packet_drop.reasons[1]: keys and values is not text`,
		"range: 10.0.0.0":            `3: programs.packet_drop.range: netip.ParsePrefix("10.0.0.0"): no '/'`,
		"ranges:\n- x":               `4: programs.packet_drop.ranges[0]: netip.ParsePrefix("x"): no '/'`,
		"limits: 5":                  `3: programs.packet_drop.limits: "5" is not keys and values`,
		"limits: {a: b}":             `3: programs.packet_drop.limits: cannot unmarshal !!str` + " `b` into int",
		"throttle: 5":                `3: programs.packet_drop.throttle: expected keys and values, found "5"`,
		"throttle: {row: 1, row: 2}": `3: duplicate key "programs.packet_drop.throttle.row" (first on line 3)`,
		"rules: [{row: x}]":          `3: programs.packet_drop.rules[0].row: "x" is not a whole number of 64 bits`,
	} {
		var got settings
		err := programOf(t, lines).Decode(&got)
		if err == nil {
			t.Errorf("%s: accepted as %+v", lines, got)
			continue
		}
		text, _, _ := strings.Cut(err.Error(), " (known: ")
		if text != "kerntap.yaml:"+want {
			t.Errorf("%s: %v\nwant kerntap.yaml:%s", lines, err, want)
		}
	}
}

func TestProgramDecodesIntoStructsOnly(t *testing.T) {
	var number int
	for _, into := range []any{nil, 5, settings{}, &number, (*settings)(nil)} {
		if err := (Program{}).Decode(into); err == nil || !strings.Contains(err.Error(), "not a pointer to a struct") {
			t.Errorf("%T: %v", into, err)
		}
	}
}

func TestAliasesStandForWhatTheyName(t *testing.T) {
	var got settings
	if err := programOf(t, "reasons: &r [a]\nrecords: &n 5\nthrottle: {row: *n}").Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Throttle.Row != 5 || len(got.Reasons) != 1 {
		t.Errorf("settings %+v", got)
	}
	var lists struct{ Loop []any }
	if err := programOf(t, "loop: &l [*l]").Decode(&lists); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a list that contains itself: %v", err)
	}
}
