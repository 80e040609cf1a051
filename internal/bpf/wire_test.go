package bpf

import (
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"github.com/kerntap/kerntap/internal/kernel"
)

func header(command, executable string) WireHeader {
	wire := WireHeader{TimestampNs: 1_000_000_007, NetNS: 4026531840, Owner: WireOwner{
		StartBoottimeNs: 5, CgroupID: 77, PID: 1234, VPID: 1}}
	copy(wire.Owner.Command[:], command)
	copy(wire.Owner.Executable[:], executable)
	return wire
}

func decodeHeader(t testing.TB, decoder *headerDecoder, wire WireHeader) BaseEvent {
	t.Helper()
	base, err := decoder.decode(sampleOf(wire))
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func TestAHeaderIsDecodedFieldByField(t *testing.T) {
	clock := kernel.NewClock()
	got := decodeHeader(t, newHeaderDecoder(&Session{Clock: clock}), header("curl", "curl-8.14"))
	want := BaseEvent{PID: 1234, VPID: 1, Timestamp: 1_000_000_007, WallOffset: clock.Offset(1_000_000_007),
		Command: "curl", Executable: "curl-8.14", NetNS: 4026531840}
	if got != want {
		t.Errorf("decoded %+v, want %+v", got, want)
	}
}

func TestAShortHeaderIsRefused(t *testing.T) {
	decoder := newHeaderDecoder(NewSession(nil))
	sample := sampleOf(header("curl", ""))
	for size := range sample {
		if _, err := decoder.decode(sample[:size]); err == nil {
			t.Errorf("a header of %d bytes was decoded", size)
		}
	}
}

func TestCastRefusesAnotherSize(t *testing.T) {
	sample := sampleOf(header("curl", ""))
	wire, err := Cast[WireHeader](sample)
	if err != nil || *wire != header("curl", "") {
		t.Errorf("cast %+v, %v", wire, err)
	}
	for _, size := range []int{0, len(sample) - 1} {
		if _, err := Cast[WireHeader](sample[:size]); err == nil {
			t.Errorf("a sample of %d bytes was cast", size)
		}
	}
	if _, err := Cast[WireHeader](append(sample, 0)); err == nil {
		t.Error("a long sample was cast")
	}
	if wire, err := Cast[WireHeader](append(make([]byte, 1), sample...)[1:]); err != nil || *wire != header("curl", "") {
		t.Errorf("a sample at an odd address was cast to %+v, %v", wire, err)
	}
}

func TestNamesEndAtTheirFirstZeroByteAndAreValidUTF8(t *testing.T) {
	decoder := newHeaderDecoder(NewSession(nil))
	for raw, want := range map[string]string{
		"":                      "",
		"\x00left over":         "",
		"sh\x00left over":       "sh",
		"sixteen-bytes-16":      "sixteen-bytes-16",
		"caf\xc3\xa9":           "café",
		"caf\xc3":               "caf\uFFFD",
		"\xff\xfea\xff":         "\uFFFDa\uFFFD",
		"kworker/0:1-e\x00\x01": "kworker/0:1-e",
	} {
		if got := decodeHeader(t, decoder, header(raw, raw)); got.Command != want || got.Executable != want {
			t.Errorf("%q: command %q, executable %q, want %q", raw, got.Command, got.Executable, want)
		}
	}
	long := strings.Repeat("x", 32)
	if got := decodeHeader(t, decoder, header("", long)); got.Executable != long {
		t.Errorf("an executable that fills its field: %q", got.Executable)
	}
}

func TestACStringOfAWireTypeIsText(t *testing.T) {
	for want, chars := range map[string][]int8{
		"": nil, "sh": {'s', 'h'}, "a": {'a', 0, 'b'}, "é": {-61, -87, 0}, "x\uFFFD": {'x', -1, -2},
	} {
		if got := Text(chars); got != want {
			t.Errorf("%v: %q, want %q", chars, got, want)
		}
	}
}

func TestTheSameBytesGiveTheSameString(t *testing.T) {
	decoder := newHeaderDecoder(NewSession(nil))
	first := decodeHeader(t, decoder, header("nginx", "nginx"))
	second := decodeHeader(t, decoder, header("nginx", "nginx"))
	if unsafe.StringData(first.Command) != unsafe.StringData(second.Command) ||
		unsafe.StringData(first.Executable) != unsafe.StringData(second.Executable) {
		t.Error("a name was copied twice")
	}
}

func TestNamesDoNotAliasTheSample(t *testing.T) {
	sample := sampleOf(header("nginx", "nginx-debug"))
	base, err := newHeaderDecoder(NewSession(nil)).decode(sample)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sample {
		sample[i] = 0xff
	}
	if base.Command != "nginx" || base.Executable != "nginx-debug" || base.PID != 1234 {
		t.Errorf("the event became %+v with its sample", base)
	}
}

func TestRememberedNamesAreBounded(t *testing.T) {
	decoder := newHeaderDecoder(NewSession(nil))
	wire := header("a", "")
	for i := range 3 * maxNames {
		wire.Owner.Command = [16]byte{'a', byte('a' + i%26), byte('a' + i/26%26), byte('a' + i/676)}
		if got := decodeHeader(t, decoder, wire).Command; got != string(wire.Owner.Command[:4]) {
			t.Fatalf("name %d is %q", i, got)
		}
		if len(decoder.commands.known) > maxNames {
			t.Fatalf("%d names remembered", len(decoder.commands.known))
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(sampleOf(header("curl", "curl")))
	f.Add(sampleOf(header("\xff", "\x00x")))
	f.Add([]byte{1, 2, 3})
	decoder := newHeaderDecoder(NewSession(nil))
	f.Fuzz(func(t *testing.T, sample []byte) {
		base, err := decoder.decode(sample)
		if err != nil {
			return
		}
		for _, name := range []string{base.Command, base.Executable} {
			if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
				t.Errorf("name %q", name)
			}
		}
	})
}
