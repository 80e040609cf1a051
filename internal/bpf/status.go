package bpf

// State is where a program stands between registration and its end.
type State uint8

const (
	// New programs are registered and have done nothing yet.
	New State = iota
	// Loaded programs are in the kernel without a hook.
	Loaded
	// Attached programs have their hooks; nobody reads yet.
	Attached
	// Running programs read events.
	Running
	// Stopped programs were stopped; they do not start again.
	Stopped
	// Failed programs could not do what the status' reason says.
	Failed
)

var stateNames = [...]string{"new", "loaded", "attached", "running", "stopped", "failed"}

// String returns the state's name as /health spells it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Hook is one place in the kernel at which a program runs.
type Hook struct {
	// Program is the BPF function, Name the hook as its section names it (tp_btf/kfree_skb).
	Program, Name string
	Attached      bool
	// Reason says why a hook is not attached, and is "" while nothing has failed.
	Reason string
}

// Stats counts what became of everything that one program saw. In the kernel
// Seen = Recorded + Throttled + Counted + Lost + Filtered + Missed; in user space
// Recorded = Undecodable + Dropped + Delivered + what is under way. Once the program has stopped,
// Tallied = Recorded + Throttled + Counted + Lost.
type Stats struct {
	// Seen is the number of kernel events that the program is for.
	Seen uint64
	// Recorded went into the ring buffer.
	Recorded uint64
	// Throttled were over the limit of records, and are counted all the same.
	Throttled uint64
	// Counted are events of which nobody wants a record.
	Counted uint64
	// Lost found the ring buffer full, and are counted all the same.
	Lost uint64
	// Filtered were left out on purpose (kerntap's own traffic, other network namespaces, filters).
	Filtered uint64
	// Missed are runs that the kernel skipped because the program was already running on that CPU; not each of them
	// would have been an event.
	Missed uint64
	// Tallied are the events that the rows of the ledger counted, as far as they were drained.
	Tallied uint64
	// TalliesLost are those of them whose tally nobody took before the program ended.
	TalliesLost uint64
	// Unattributed were counted, but for no process: there was no room to count for one more.
	Unattributed uint64
	// Overflowed were counted without their owner or with little more than their kind: there was no room for one more row.
	Overflowed uint64
	// Spilled are durations that were measured with little more than their kind, likewise.
	Spilled uint64
	// Unowned is how often there was no room to keep the owner of one more socket, watched or not; one may ask twice. The
	// events of such a socket are nobody's.
	Unowned uint64
	// LedgerRows is the number of rows that the last drain brought.
	LedgerRows uint64
	// Undecodable are samples that did not have the expected layout.
	Undecodable uint64
	// Dropped found a channel full, because its reader was slow.
	Dropped uint64
	// Delivered left through the program's channel.
	Delivered uint64
}

// Status is the truth about one program.
type Status struct {
	Name, Description string
	State             State
	// Reason says why a program failed, and is "" otherwise.
	Reason string
	Hooks  []Hook
	Stats  Stats
	// Drains is how often the ledger was drained: it grows for as long as the program runs.
	Drains uint64
	// Reductions are what the program does not give here, as found when it was loaded.
	Reductions []Reduction
	// MapBytes is the memory of the program's maps in the kernel.
	MapBytes uint64
}

// Reduction is something that a program does not give here: see kernel.Reduction.
type Reduction struct {
	// Name is for programs, Loses for people. Reason says why it is lost, Remedy how to get it, "" if there is no way on
	// this kernel.
	Name, Loses, Reason, Remedy string
}

// Reporter tells the truth about itself; programs implement it beside the contract.
type Reporter interface {
	Status() Status
}
