package top

import (
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// onKey does what a key asks for.
func (m model) onKey(key tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	name := key.String()
	if name == "ctrl+c" {
		return m, tea.Quit
	}
	switch {
	case m.typing:
		return m.onTyped(key), nil
	case m.looking:
		return m.onRecordsKey(name)
	default:
		return m.onTableKey(name)
	}
}

// onTyped changes the filter, or ends that.
func (m model) onTyped(key tea.KeyPressMsg) model {
	switch key.String() {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.Filter = false, ""
	case "backspace":
		_, last := utf8.DecodeLastRuneInString(m.Filter)
		m.Filter = m.Filter[:len(m.Filter)-last]
	default:
		m.Filter += key.Text
	}
	return m
}

func (m model) onTableKey(name string) (tea.Model, tea.Cmd) {
	last := len(columns()) - 1
	switch name {
	case "q", "esc":
		return m, tea.Quit
	case "p", "space":
		m.paused = !m.paused
	case "t":
		m.Rates = !m.Rates
	case "/":
		m.typing, m.Filter = true, ""
	case "r":
		m.ascending = !m.ascending
	case "right", ">", "s":
		m.by = (m.by + 1) % (last + 1)
	case "left", "<":
		m.by = (m.by + last) % (last + 1)
	case "1", "2", "3", "4", "5", "6", "7", "8", "9":
		m.by = min(int(name[0]-'1'), last)
	case "enter":
		rows := m.rows()
		if len(rows) == 0 {
			return m, nil
		}
		m.looking, m.command = true, rows[m.place(rows)].Command
		m.records, m.recordsFailure, m.firstRecord = nil, nil, 0
		return m, m.read
	default:
		m.selected = m.moved(name)
	}
	return m, nil
}

// moved is the command that a key moves the selection to.
func (m model) moved(name string) *string {
	rows := m.rows()
	if len(rows) == 0 {
		return m.selected
	}
	to := scroll(name, m.place(rows), m.height-frame)
	return &rows[max(min(to, len(rows)-1), 0)].Command
}

func (m model) onRecordsKey(name string) (tea.Model, tea.Cmd) {
	switch name {
	case "q", "esc", "backspace", "left":
		m.looking = false
	case "p", "space":
		m.paused = !m.paused
	default:
		page := m.height - frame
		m.firstRecord = max(min(scroll(name, m.firstRecord, page), len(m.records)-page), 0)
	}
	return m, nil
}

// scroll is where a key moves from a place; its bounds are the caller's.
func scroll(name string, from, page int) int {
	switch name {
	case "up", "k":
		return from - 1
	case "down", "j":
		return from + 1
	case "pgup":
		return from - page
	case "pgdown":
		return from + page
	case "home", "g":
		return 0
	case "end", "G":
		return 1 << 30
	default:
		return from
	}
}
