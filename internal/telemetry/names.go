package telemetry

// Attribute keys. The first group is of the OpenTelemetry semantic conventions, spelt as they spell it; the second is
// ours, in the shape of the open proposal for TCP telemetry (open-telemetry/semantic-conventions#3682).
const (
	NetworkTransport    = "network.transport"
	NetworkType         = "network.type"
	NetworkLocalAddress = "network.local.address"
	NetworkLocalPort    = "network.local.port"
	NetworkPeerAddress  = "network.peer.address"
	NetworkPeerPort     = "network.peer.port"
	SourceAddress       = "source.address"
	SourcePort          = "source.port"
	DestinationAddress  = "destination.address"
	DestinationPort     = "destination.port"
	ProcessPID          = "process.pid"
	ProcessVPID         = "process.vpid"
	ProcessExecutable   = "process.executable.name"
	ContainerID         = "container.id"
	K8SPodUID           = "k8s.pod.uid"
	ErrorType           = "error.type"
	ServerPort          = "server.port"
	InterfaceName       = "network.interface.name"
	Direction           = "network.io.direction"

	Command      = "kerntap.command"
	TCPRole      = "kerntap.tcp.role"
	Errno        = "kerntap.errno"
	Duration     = "kerntap.duration"
	DropReason   = "kerntap.drop.reason"
	DropClass    = "kerntap.drop.class"
	DropLocation = "kerntap.drop.location"
	PacketSize   = "kerntap.packet.size"
	EtherType    = "kerntap.packet.ethertype"
	TCPFlags     = "kerntap.tcp.flags"
	ResetReason  = "kerntap.tcp.reset.reason"
	ICMPType     = "kerntap.icmp.type"
	ICMPCode     = "kerntap.icmp.code"
	Attribution  = "kerntap.attribution"
	ProgramName  = "kerntap.program.name"
	Outcome      = "kerntap.outcome"
	Destination  = "kerntap.destination"
	MetricName   = "kerntap.metric.name"
	Reduction    = "kerntap.reduction"
	Shortage     = "kerntap.shortage"

	TCPSent             = "kerntap.tcp.sent"
	TCPReceived         = "kerntap.tcp.received"
	TCPSegmentsSent     = "kerntap.tcp.segments.sent"
	TCPSegmentsReceived = "kerntap.tcp.segments.received"
	TCPRetransmitted    = "kerntap.tcp.segments.retransmitted"
	TCPRoundTrip        = "kerntap.tcp.round_trip"
	TCPEnding           = "kerntap.tcp.ending"
	TCPEndedBy          = "kerntap.tcp.ended_by"
	TCPCloserPID        = "kerntap.tcp.closer.pid"
	TCPCloserCommand    = "kerntap.tcp.closer.command"
	TCPListenDropped    = "kerntap.tcp.listen.packets"
	TCPListenWaiting    = "kerntap.tcp.listen.queue.length"
	TCPListenLimit      = "kerntap.tcp.listen.queue.limit"
	DurationMinimum     = "kerntap.minimum_duration"
)

// Values that more than one program uses.
const (
	TCP  = "tcp"
	UDP  = "udp"
	IPv4 = "ipv4"
	IPv6 = "ipv6"

	// Values of network.io.direction.
	Receive  = "receive"
	Transmit = "transmit"

	// Values of kerntap.drop.class: something was lost, a packet was turned away, ordinary operation threw it away.
	ClassLoss    = "loss"
	ClassRefused = "refused"
	ClassCleanup = "cleanup"

	// Values of kerntap.outcome. The first six are what became of an event in the kernel, where throttled and counted
	// ones are in the tallies alone; the next three what became of a record on its way to the exporters, the last two
	// and dropped what became of it there.
	OutcomeRecorded    = "recorded"
	OutcomeThrottled   = "throttled"
	OutcomeCounted     = "counted"
	OutcomeFiltered    = "filtered"
	OutcomeLost        = "lost"
	OutcomeMissed      = "missed"
	OutcomeDelivered   = "delivered"
	OutcomeUndecodable = "undecodable"
	OutcomeDropped     = "dropped"
	OutcomeExported    = "exported"
	OutcomeFailed      = "failed"

	// Values of kerntap.attribution: the process of an accepted connection is the one that listens; the process had the
	// socket open when kerntap started.
	AttributionListener = "listener"
	AttributionHolder   = "holder"

	// Values of kerntap.tcp.ended_by.
	Local  = "local"
	Remote = "remote"
)

// Event names of log records.
const (
	EventTCPOpened     = "kerntap.tcp.connection.opened"
	EventTCPFailed     = "kerntap.tcp.connection.failed"
	EventTCPClosed     = "kerntap.tcp.connection.closed"
	EventPacketDropped = "kerntap.packet.dropped"

	EventTCPListenDropped = "kerntap.tcp.listen.dropped"
	EventTCPRetransmitted = "kerntap.tcp.retransmitted"
	EventTCPReset         = "kerntap.tcp.reset"
	EventUDPOpened        = "kerntap.udp.connection.opened"
	EventUDPFailed        = "kerntap.udp.connection.failed"
)

// Metrics of the observed workloads and of kerntap itself.
var (
	TCPConnections = Metric{"kerntap.tcp.connections", "{connection}",
		"TCP connections by outcome of their establishment: client connects and accepted server connections.", Counter}
	TCPConnectDuration = Metric{"kerntap.tcp.connect.duration", "s",
		"Time from a client's connect to its outcome.", Histogram}
	TCPConnectionDuration = Metric{"kerntap.tcp.connection.duration", "s",
		"Time from the establishment of a TCP connection to its end.", Histogram}
	TCPRetransmits = Metric{"kerntap.tcp.retransmits", "{segment}",
		"TCP segments that were sent again.", Counter}
	TCPResets = Metric{"kerntap.tcp.resets", "{reset}",
		"TCP resets that were sent and received.", Counter}
	TCPListenOverflows = Metric{"kerntap.tcp.listen.overflows", "{packet}",
		"Packets that a TCP listener could not take because its queue was full.", Counter}
	TCPListenDrops = Metric{"kerntap.tcp.listen.drops", "{packet}",
		"Packets that TCP listeners refused, most often because a queue was full, as ListenDrops counts them.", Counter}
	TCPActive = Metric{"kerntap.tcp.active_connections", "{connection}",
		"TCP connections that are established.", UpDownCounter}
	TCPRTT = Metric{"kerntap.tcp.rtt", "s",
		"Smoothed round-trip time of TCP connections, at their end and while they are used.", Histogram}
	TCPIO = Metric{"kerntap.tcp.io", "By",
		"Payload of TCP connections: acknowledged by the other end, or received.", Counter}
	TCPSegments = Metric{"kerntap.tcp.segments", "{segment}",
		"Segments of TCP connections, and of connects that failed.", Counter}
	UDPConnections = Metric{"kerntap.udp.connections", "{connection}",
		"Connects of UDP sockets by outcome.", Counter}
	PacketDrops = Metric{"kerntap.packet.drops", "{packet}",
		"Packets that the kernel dropped, by reason.", Counter}
	PacketDropIO = Metric{"kerntap.packet.drop.io", "By",
		"Bytes of the packets that the kernel dropped, by reason.", Counter}

	ProgramEvents = Metric{"kerntap.program.events", "{event}",
		"Kernel events that a program saw, by what became of them in the kernel.", Counter}
	ProgramRecords = Metric{"kerntap.program.records", "{record}",
		"Records that a program sent to user space, by what became of them there.", Counter}
	ExporterRecords = Metric{"kerntap.exporter.records", "{record}",
		"Log records that left an exporter's queue, by what became of them.", Counter}
	ProgramQueued = Metric{"kerntap.program.queued", "{record}",
		"Log records that wait in a destination's queue or are on their way to it.", Gauge}
	ProgramLedgerRows = Metric{"kerntap.program.ledger.rows", "{row}",
		"Rows that a program's ledger held when it was last drained.", Gauge}
	ProgramShortages = Metric{"kerntap.program.shortages", "{shortage}",
		"How often a program found no room for one more row, distribution, process or owner of a socket.", Counter}
	ProgramUp = Metric{"kerntap.program.up", "{program}",
		"1 while a program reads events, 0 when it does not.", Gauge}
	ProgramReductions = Metric{"kerntap.program.reductions", "{reduction}",
		"What a program does not give on this kernel or with these privileges: 1 for each, by name.", Gauge}
	SeriesActive = Metric{"kerntap.series.active", "{series}",
		"Series that a metric of the observed workloads has.", Gauge}
	SeriesOverflows = Metric{"kerntap.series.overflows", "{measurement}",
		"Measurements of further series, counted in the one that otel.metric.overflow marks.", Counter}
)
