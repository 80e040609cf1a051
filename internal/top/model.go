package top

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/client"
)

// lastRecords is how many records of a command are shown at most.
const lastRecords = 200

// model is what the terminal shows, and how keys and answers change it. Values only: each change makes a new one.
type model struct {
	Options
	ctx    context.Context
	source Source

	now, before map[string]Row
	looked      time.Time
	// seconds are those between the last two looks, failure is why the last one failed.
	seconds float64
	failure error

	// by is the column that orders the rows.
	by                        int
	ascending, paused, typing bool
	// selected is the command whose row is marked; nil is the first row's.
	selected      *string
	width, height int

	// looking tells that the last records of a command are shown instead of the table.
	looking        bool
	command        string
	records        []api.Event
	recordsFailure error
	firstRecord    int
}

// tick says that it is time to look; looked and recorded are answers.
type (
	tick   struct{}
	looked struct {
		metrics client.Metrics
		at      time.Time
		err     error
	}
	recorded struct {
		command string
		events  []api.Event
		err     error
	}
)

func newModel(ctx context.Context, source Source, o Options) (model, error) {
	by, err := columnOf(o.Sort)
	if o.Location == nil {
		o.Location = time.Local
	}
	return model{Options: o, ctx: ctx, source: source, by: by, width: 100, height: 24}, err
}

// Init implements tea.Model.
func (m model) Init() tea.Cmd { return tea.Batch(m.look, m.wait()) }

func (m model) wait() tea.Cmd {
	return tea.Tick(m.Interval, func(time.Time) tea.Msg { return tick{} })
}

// look asks for the metrics as they are now.
func (m model) look() tea.Msg {
	metrics, err := m.source.Metrics(m.ctx)
	return looked{metrics, time.Now(), err}
}

// read asks for the last records of the command that is looked at.
func (m model) read() tea.Msg {
	events, err := m.source.Events(m.ctx, m.command, lastRecords)
	return recorded{m.command, events, err}
}

// Update implements tea.Model.
func (m model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = message.Width, message.Height
	case tick:
		return m, m.onTick()
	case looked:
		return m.onLook(message), nil
	case recorded:
		return m.onRecords(message), nil
	case tea.PasteMsg:
		if m.typing {
			m.Filter += client.Printable(message.Content)
		}
	case tea.KeyPressMsg:
		return m.onKey(message)
	}
	return m, nil
}

func (m model) onTick() tea.Cmd {
	switch {
	case m.paused:
		return m.wait()
	case m.looking:
		return tea.Batch(m.look, m.read, m.wait())
	default:
		return tea.Batch(m.look, m.wait())
	}
}

func (m model) onLook(answer looked) model {
	if m.failure = answer.err; answer.err != nil || m.paused {
		return m
	}
	if m.now != nil {
		m.before, m.seconds = m.now, answer.at.Sub(m.looked).Seconds()
	}
	m.now, m.looked = newRows(answer.metrics), answer.at
	return m
}

// onRecords keeps the records of exactly the command: the API matches parts of names.
func (m model) onRecords(answer recorded) model {
	if answer.command != m.command || m.paused && m.records != nil {
		return m
	}
	m.recordsFailure, m.records = answer.err, []api.Event{}
	for _, event := range answer.events {
		if event.Command == m.command {
			m.records = append(m.records, event)
		}
	}
	return m
}

// rows are those of the table, in its order.
func (m model) rows() []Row {
	all := m.now
	if m.Rates {
		all = nil
		if m.before != nil && m.seconds > 0 {
			all = perSecond(m.now, m.before, m.seconds)
		}
	}
	return choose(all, m.Filter, columns()[m.by], m.ascending)
}

// place is where the selected command stands; the first row if it does not.
func (m model) place(rows []Row) int {
	for i := range rows {
		if m.selected != nil && rows[i].Command == *m.selected {
			return i
		}
	}
	return 0
}
