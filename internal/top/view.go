package top

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/kerntap/kerntap/internal/live"
)

// frame is how many lines are around rows and records: two above, one below.
const frame = 3

const (
	tableHelp   = "↑↓ select  enter records  ←→ sort  r reverse  / filter  t totals or rates  p pause  q quit"
	recordsHelp = "↑↓ scroll  p pause  esc back  ctrl+c quit"
)

// View implements tea.Model.
func (m model) View() tea.View {
	view := tea.NewView(strings.Join(m.lines(), "\n"))
	view.AltScreen = true
	view.WindowTitle = "kerntap top"
	return view
}

// lines are those of the whole screen, none longer than it is wide.
func (m model) lines() []string {
	body, help := m.table(), tableHelp
	if m.looking {
		body, help = m.recordLines(), recordsHelp
	}
	if m.typing {
		help = "filter: " + m.Filter + "▏  (enter: done, esc: none)"
	}
	lines := append([]string{m.title()}, body...)
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(m.height-1, 1)], help)
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "…")
	}
	return lines
}

// title says what the numbers are.
func (m model) title() string {
	what := "totals since it started"
	if m.Rates {
		what = fmt.Sprintf("a second, of the last %.1fs", m.seconds)
	}
	title := fmt.Sprintf("kerntap top  %s  %s", m.Name, what)
	if m.Filter != "" && !m.typing {
		title += "  filter " + m.Filter
	}
	if m.paused {
		title += "  PAUSED"
	}
	if m.failure != nil {
		title += "  NOT RENEWED: " + m.failure.Error()
	}
	return title
}

// table is the header and as many rows as there is room for, the selected one among them.
func (m model) table() []string {
	lines := []string{header(m.by, m.ascending)}
	rows := m.rows()
	place, room := m.place(rows), max(m.height-frame, 1)
	first := max(place-room+1, 0)
	for i := first; i < len(rows) && i < first+room; i++ {
		line := pad(rows[i].line(), m.width)
		if i == place {
			line = ansi.SGR(ansi.AttrReverse) + line + ansi.SGR(ansi.AttrReset)
		}
		lines = append(lines, line)
	}
	if len(rows) == 0 {
		lines = append(lines, "nothing yet")
	}
	return lines
}

// recordLines are the last records of a command, the newest first.
func (m model) recordLines() []string {
	lines := []string{fmt.Sprintf("last records of %s (samples: the table counts all)", shownCommand(m.command))}
	switch {
	case m.recordsFailure != nil:
		return append(lines, "cannot be read: "+m.recordsFailure.Error())
	case len(m.records) == 0:
		return append(lines, "none is kept")
	}
	for i := m.firstRecord; i < len(m.records) && len(lines) < m.height-2; i++ {
		lines = append(lines, live.Line(&m.records[i], m.Location))
	}
	return lines
}
