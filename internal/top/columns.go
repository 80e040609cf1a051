package top

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// column is one of the table. Rows can be ordered by its value.
type column struct {
	title string
	width int
	value func(*Row) float64
	text  func(float64) string
}

// commandWidth is that of the first column: the kernel's names have 15 characters.
const commandWidth = 16

// columns returns all but the command, in the order of the keys that choose them.
func columns() []column {
	return []column{
		{"CONNS", 8, func(r *Row) float64 { return r.Connections }, count},
		{"FAILED", 8, func(r *Row) float64 { return r.Failures }, count},
		{"LOST", 8, func(r *Row) float64 { return r.Lost }, count},
		{"REFUSED", 8, func(r *Row) float64 { return r.Refused }, count},
		{"RETRANS", 8, func(r *Row) float64 { return r.Retransmits }, count},
		{"RESETS", 8, func(r *Row) float64 { return r.Resets }, count},
		{"RTT", 8, (*Row).meanRTT, duration},
		{"SENT", 8, func(r *Row) float64 { return r.Sent }, size},
		{"RECEIVED", 9, func(r *Row) float64 { return r.Received }, size},
	}
}

// count is a number of things, or of things a second.
func count(n float64) string {
	switch {
	case n == 0:
		return "."
	case n >= 1e9:
		return fmt.Sprintf("%.1fG", n/1e9)
	case n >= 1e7:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n == math.Trunc(n) || n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n < 0.1:
		return fmt.Sprintf("%.2f", n)
	default:
		return fmt.Sprintf("%.1f", n)
	}
}

// size is a number of bytes.
func size(n float64) string {
	if n == 0 {
		return "."
	}
	unit := 0
	for n >= 999.5 && unit < 4 {
		n /= 1024
		unit++
	}
	if unit == 0 || n >= 99.5 {
		return fmt.Sprintf("%.0f%c", n, "BKMGT"[unit])
	}
	return fmt.Sprintf("%.1f%c", n, "BKMGT"[unit])
}

// duration is a number of seconds.
func duration(seconds float64) string {
	if seconds < 0 {
		return "."
	}
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}

// header is the table's first line. The column that orders it is marked.
func header(by int, ascending bool) string {
	mark := "▼"
	if ascending {
		mark = "▲"
	}
	line := pad("COMMAND", commandWidth)
	for i, c := range columns() {
		title := c.title
		if i == by {
			title = mark + title
		}
		line += left(title, c.width)
	}
	return line
}

// line is a row as the table has it.
func (r *Row) line() string {
	line := pad(ansi.Truncate(shownCommand(r.Command), commandWidth-1, "…"), commandWidth)
	for _, c := range columns() {
		line += left(c.text(c.value(r)), c.width)
	}
	return line
}

// pad fills text with spaces up to a width, left puts them before it.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-ansi.StringWidth(text), 0))
}

func left(text string, width int) string {
	return strings.Repeat(" ", max(width-ansi.StringWidth(text), 1)) + text
}
