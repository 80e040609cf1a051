package collector

import (
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// promised are the figures that a pattern finds in examples/kubernetes/README.md.
func promised(t *testing.T, pattern string) (figures []float64) {
	t.Helper()
	text, err := os.ReadFile("../kubernetes/README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
	if found == nil {
		t.Fatalf("the README says nothing like %s", pattern)
	}
	for _, text := range found[1:] {
		figure, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
		if err != nil {
			t.Fatal(err)
		}
		figures = append(figures, figure)
	}
	return figures
}

// isAsPromised fails unless the node told of exactly as many series as the README says.
func (w told) isAsPromised(t *testing.T) {
	t.Helper()
	want := promised(t, `are ([\d,]+) series\s+\(([\d,]+) of the commands, ([\d,]+) of kerntap itself\); a Prometheus makes ([\d,]+) of them`)
	all, ofCommands := len(w.series), w.ofCommands()
	got := []float64{float64(all), float64(ofCommands), float64(all - ofCommands), float64(w.prometheus())}
	if !slices.Equal(got, want) {
		t.Errorf("series in all, of commands, of kerntap itself, and in Prometheus: %v, and the README says %v", got, want)
	}
}

// bytesAreAsPromised says what one export and one record took, and fails if that is more than a quarter away from what the
// README's table says in the row that has these words.
func bytesAreAsPromised(t *testing.T, row string, export, record float64) {
	t.Helper()
	want := promised(t, `\|[^|\n]*`+regexp.QuoteMeta(row)+`[^|\n]*\| ([\d.]+) kB \| ([\d.]+) MB \| ([\d.]+) B \|`)
	got := []float64{export / 1e3, export * 8640 / 1e6, record}
	t.Logf("%s: %.1f kB an export of all series, %.0f MB a day at one every 10 s; %.0f B a record", row, got[0], got[1], got[2])
	for i := range want {
		if math.Abs(got[i]-want[i]) > want[i]/4 {
			t.Errorf("%s: kB an export, MB a day and B a record are %.1f, and the README says %v", row, got, want)
			break
		}
	}
}
