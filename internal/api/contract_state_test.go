package api

const (
	failed42 = `{"type":"connection","pid":42,"command":"curl","timestamp":"2026-03-01T12:00:01Z",
		"name":"kerntap.tcp.connection.failed","severity":"WARN","body":"curl could not connect",
		"attributes":{"kerntap.command":"curl","process.pid":42,"kerntap.duration":0.5,"kerntap.errno":111}}`
	dropped0 = `{"type":"packet_drop","pid":0,"command":"","timestamp":"2026-03-01T12:00:02Z"}`
	opened7  = `{"type":"connection","pid":7,"command":"sshd","timestamp":"2026-03-01T12:00:03Z"}`

	// Without a type the answer is as complete as the least complete type; its coverage begins at 12:00:02.
	least  = `"covered_since":"2026-03-01T12:00:02Z","evicted":5`
	entire = `"covered_since":"2026-03-01T12:00:00Z","evicted":0`

	errorSince = "Invalid since parameter: give a time (RFC 3339) or how long ago (90s, 5m, 1h)"

	eventsPath = "/api/events"
)

func eventsJSON(list, rest string) string { return `{"events":[` + list + `],` + rest + `}` }

var eventRows = []exchange{
	{"GET", eventsPath, ``, 200, eventsJSON(opened7+","+dropped0+","+failed42,
		`"total":3,"truncated":false,"complete":false,`+least)},
	{"GET", eventsPath + "?limit=2", ``, 200, eventsJSON(opened7+","+dropped0,
		`"total":3,"truncated":true,"complete":false,`+least)},
	{"GET", eventsPath + "?type=connection", ``, 200, eventsJSON(opened7+","+failed42,
		`"total":2,"truncated":false,"complete":true,`+entire)},
	{"GET", eventsPath + "?type=connection&limit=1", ``, 200, eventsJSON(opened7,
		`"total":2,"truncated":true,"complete":false,`+entire)},
	{"GET", eventsPath + "?pid=42", ``, 200, eventsJSON(failed42,
		`"total":1,"truncated":false,"complete":false,`+least)},
	{"GET", eventsPath + "?pid=0", ``, 200, eventsJSON(dropped0,
		`"total":1,"truncated":false,"complete":false,`+least)},
	{"GET", eventsPath + "?command=SSH", ``, 200, eventsJSON(opened7,
		`"total":1,"truncated":false,"complete":false,`+least)},
	{"GET", eventsPath + "?type=connection&pid=42&command=Curl", ``, 200, eventsJSON(failed42,
		`"total":1,"truncated":false,"complete":true,`+entire)},
	{"GET", eventsPath + "?type=packet_drop&pid=42", ``, 200, eventsJSON(``,
		`"total":0,"truncated":false,"complete":false,`+least)},
	// A question that begins where the storage still has everything gets a complete answer.
	{"GET", eventsPath + "?since=2026-03-01T12:00:02Z", ``, 200, eventsJSON(opened7+","+dropped0,
		`"total":2,"truncated":false,"complete":true,`+least)},
	{"GET", eventsPath + "?since=2026-03-01T12:00:01.999Z", ``, 200, eventsJSON(opened7+","+dropped0,
		`"total":2,"truncated":false,"complete":false,`+least)},
	{"GET", eventsPath + "?since=2026-03-01T14:00:03%2B02:00", ``, 200, eventsJSON(opened7,
		`"total":1,"truncated":false,"complete":true,`+least)},
	{"GET", eventsPath + "?since=2026-03-01T14:00:03+02:00", ``, 200, eventsJSON(opened7,
		`"total":1,"truncated":false,"complete":true,`+least)},
	// A type that no program reports has no events and no coverage.
	{"GET", eventsPath + "?type=file_open", ``, 200, eventsJSON(``,
		`"total":0,"truncated":false,"complete":true,"evicted":0`)},
	{"GET", eventsPath + "?since=yesterday", ``, 400, errorSince},
	{"GET", eventsPath + "?since=-5m", ``, 400, errorSince},
	{"GET", eventsPath + "?since=60", ``, 400, errorSince},
	{"GET", eventsPath + "?pid=-1", ``, 400, errorPID},
	{"GET", eventsPath + "?pid=x", ``, 400, errorPID},
	{"GET", eventsPath + "?limit=0", ``, 400, errorLimit},
	{"GET", eventsPath + "?limit=1001", ``, 400, errorMaxLimit},
	{"GET", eventsPath + "?%zz", ``, 400, "Invalid query parameters"},
}

const (
	counters = `"counters":{"seen":59,"recorded":21,"throttled":11,"counted":12,"lost":5,"filtered":4,"missed":6,
		"tallied":49,"tallies_lost":13,"unattributed":14,"overflowed":15,"spilled":17,"unowned":18,"ledger_rows":16,
		"undecodable":7,"dropped":8,"delivered":6},"map_bytes":4096`
	twoPrograms = `[{"name":"connection","description":"watches connection","state":"running",
		"hooks":[{"name":"tp_btf/connection","program":"connection_hook","attached":true}],` + counters + `},
		{"name":"packet_drop","description":"watches packet_drop","state":"running",
		"hooks":[{"name":"tp_btf/packet_drop","program":"packet_drop_hook","attached":true}],` + counters + `}]`

	indexJSON = `{"service":"kerntap","version":"v0.1.0",
		"description":"Network connections and packet drops of this machine's processes, seen in the kernel with eBPF",
		"endpoints":{
			"GET /health":"How each program and the exporter are",
			"POST /api/connection-summary":"Count the connection attempts of a pid or a command",
			"POST /api/packet-drop-summary":"Count the packet drops of a pid or a command",
			"GET|POST /api/list-connections":"List connections by pid",
			"GET|POST /api/list-packet-drops":"List packet drops by pid",
			"GET /api/programs":"List the programs with their hooks and counters",
			"GET /api/events":"List events by type, pid, command and since, newest first",
			"GET /api/follow":"List events as they came, after the position that was answered last",
			"GET /livez":"Whether kerntap answers",
			"GET /readyz":"Whether the programs have settled and one reads events",
			"GET /metrics":"kerntap's own metrics"},
		"documentation":{"readme":"https://github.com/kerntap/kerntap#readme"}}`

	errorPath = "no such path; / lists what there is"
)

var stateRows = []exchange{
	{"GET", "/health", ``, 200, `{"status":"healthy","service":"kerntap","version":"v0.1.0",
		"programs":` + twoPrograms + `,
		"exporter":{"name":"console","healthy":true,"emitted":3,"exported":3,"dropped":0,"failed":0}}`},
	{"GET", "/api/programs", ``, 200, `{"programs":` + twoPrograms + `,"total":2}`},
	{"GET", "/api/follow", ``, 200, `{"events":[],"next":3,"missed":0,"more":false}`},
	{"GET", "/api/follow?after=2", ``, 200, `{"events":[{"type":"connection","pid":7,"command":"sshd",
		"timestamp":"2026-03-01T12:00:03Z"}],"next":3,"missed":0,"more":false}`},
	{"GET", "/api/follow?after=0&limit=1", ``, 200, `{"events":[{"type":"connection","pid":42,"command":"curl",
		"timestamp":"2026-03-01T12:00:01Z","name":"kerntap.tcp.connection.failed","severity":"WARN",
		"body":"curl could not connect","attributes":{"kerntap.command":"curl","process.pid":42,"kerntap.errno":111,
		"kerntap.duration":0.5}}],"next":1,"missed":1,"more":true}`},
	{"GET", "/api/follow?after=-1", ``, 400, errAfter.message},
	{"GET", "/api/follow?after=0&limit=1001", ``, 400, errMaxLimit.message},
	{"GET", "/livez", ``, 200, `{"status":"alive"}`},
	{"GET", "/readyz", ``, 200, `{"status":"ready"}`},
	{"GET", "/?any=thing", ``, 200, indexJSON},
	{"GET", "/nothing", ``, 404, errorPath},
	{"PUT", "/nothing", ``, 404, errorPath},
	{"GET", "/health/", ``, 404, errorPath},
	{"GET", "//health", ``, 404, errorPath},
	{"GET", "/api", ``, 404, errorPath},
	{"GET", "/api/../health", ``, 404, errorPath},
	{"GET", "/HEALTH", ``, 404, errorPath},
}
