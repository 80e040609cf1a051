package api

const (
	connections42 = `{"pid":42,"command":"curl","destination":"192.0.2.1:80","protocol":"TCP","return_code":0,
		"timestamp":"2026-03-01T12:00:00Z"},` + newest42
	newest42 = `{"pid":42,"command":"curl","destination":"192.0.2.2:80","protocol":"TCP","return_code":111,
		"timestamp":"2026-03-01T12:00:00Z"},
		{"pid":42,"command":"curl","destination":"192.0.2.3:80","protocol":"TCP","return_code":0,
		"timestamp":"2026-03-01T12:00:00Z"}`
	connections7 = `{"pid":7,"command":"sshd","destination":"[2001:db8::1]:22","protocol":"TCP","return_code":0,
		"timestamp":"2026-03-01T12:00:00Z"}`

	allConnections = `{"total_pids":2,"connections":{"42":[` + connections42 + `],"7":[` + connections7 + `]},
		"truncated":false,"message":"Found 4 total connections across 2 processes"}`
	twoOfEach = `{"total_pids":2,"connections":{"42":[` + newest42 + `],"7":[` + connections7 + `]},
		"truncated":true,"message":"Found 3 total connections across 2 processes (results truncated due to limit)"}`
	allOf42 = `{"total_pids":1,"connections":{"42":[` + connections42 + `]},
		"truncated":false,"message":"Found 3 connections for PID 42"}`
	// With a pid the message does not say that the list is cut; truncated does.
	twoOf42 = `{"total_pids":1,"connections":{"42":[` + newest42 + `]},
		"truncated":true,"message":"Found 2 connections for PID 42"}`

	listPath      = "/api/list-connections"
	listDropsPath = "/api/list-packet-drops"
)

var connectionListRows = []exchange{
	{"GET", listPath, ``, 200, allConnections},
	{"GET", listPath + "?pid=&limit=", ``, 200, allConnections},
	{"GET", listPath + "?limit=1000&unknown=1", ``, 200, allConnections},
	{"GET", listPath + "?limit=2", ``, 200, twoOfEach},
	{"GET", listPath + "?pid=42", ``, 200, allOf42},
	{"GET", listPath + "?pid=42&limit=3", ``, 200, allOf42},
	{"GET", listPath + "?pid=42&limit=2", ``, 200, twoOf42},
	{"GET", listPath + "?pid=999", ``, 200,
		`{"total_pids":0,"connections":{},"truncated":false,"message":"Found 0 connections for PID 999"}`},
	// The body of a GET is no part of the question.
	{"GET", listPath, `{"pid":42}`, 200, allConnections},
	{"POST", listPath, `{}`, 200, allConnections},
	{"POST", listPath, `null`, 200, allConnections},
	{"POST", listPath, `{"pid":null,"limit":null}`, 200, allConnections},
	{"POST", listPath, `{"limit":2,"unknown":true}`, 200, twoOfEach},
	{"POST", listPath, `{"pid":42}`, 200, allOf42},
	{"POST", listPath, `{"pid":42,"limit":2}`, 200, twoOf42},
	{"POST", listPath + "?pid=42&limit=2", `{}`, 200, allConnections},
	{"GET", listPath + "?pid=curl", ``, 400, errorPID},
	{"GET", listPath + "?pid=4.2", ``, 400, errorPID},
	{"GET", listPath + "?pid=-1", ``, 400, errorPID},
	{"GET", listPath + "?pid=4294967296", ``, 400, errorPID},
	{"GET", listPath + "?pid=99999999999999999999", ``, 400, errorPID},
	{"GET", listPath + "?pid=x&limit=x", ``, 400, errorPID},
	{"GET", listPath + "?limit=many", ``, 400, errorLimit},
	{"GET", listPath + "?limit=0", ``, 400, errorLimit},
	{"GET", listPath + "?limit=-1", ``, 400, errorLimit},
	{"GET", listPath + "?limit=1001", ``, 400, errorMaxLimit},
	{"GET", listPath + "?limit=99999999999999999999", ``, 400, errorMaxLimit},
	{"GET", listPath + "?pid=%zz", ``, 400, "Invalid query parameters"},
	{"POST", listPath, ``, 400, errorBody},
	{"POST", listPath, `{"pid":42`, 400, errorBody},
	{"POST", listPath, `{"pid":42} {}`, 400, errorBody},
	{"POST", listPath, `{"pid":"42"}`, 400, errorBody},
	{"POST", listPath, `{"limit":2.5}`, 400, errorBody},
	{"POST", listPath, `[42]`, 400, errorBody},
	{"POST", listPath, `{"pid":-1}`, 400, errorPID},
	{"POST", listPath, `{"pid":4294967296}`, 400, errorPID},
	{"POST", listPath, `{"limit":0}`, 400, errorLimit},
	{"POST", listPath, `{"limit":-100}`, 400, errorLimit},
	{"POST", listPath, `{"limit":1001}`, 400, errorMaxLimit},
}

const (
	drops0 = `{"pid":0,"command":"","drop_reason":"NO_SOCKET","skb_length":60,"timestamp":"2026-03-01T12:00:00Z"},` +
		newest0
	newest0 = `{"pid":0,"command":"","drop_reason":"NETFILTER_DROP","skb_length":1500,"timestamp":"2026-03-01T12:00:00Z"}`
	drops7  = `{"pid":7,"command":"sshd","drop_reason":"TCP_CSUM","skb_length":40,"timestamp":"2026-03-01T12:00:00Z"}`

	allDrops = `{"total_pids":2,"drops":{"0":[` + drops0 + `],"7":[` + drops7 + `]},
		"truncated":false,"message":"Found 3 packet drops across 2 processes"}`
	oneOfEach = `{"total_pids":2,"drops":{"0":[` + newest0 + `],"7":[` + drops7 + `]},
		"truncated":true,"message":"Found 2 packet drops across 2 processes (results truncated)"}`
	// In a list, pid 0 asks for the packets whose owner is not known.
	allOf0 = `{"total_pids":1,"drops":{"0":[` + drops0 + `]},
		"truncated":false,"message":"Found 2 packet drops for PID 0"}`
	oneOf0 = `{"total_pids":1,"drops":{"0":[` + newest0 + `]},
		"truncated":true,"message":"Found 1 packet drops for PID 0 (results truncated)"}`
)

var packetDropListRows = []exchange{
	{"GET", listDropsPath, ``, 200, allDrops},
	{"GET", listDropsPath + "?limit=1", ``, 200, oneOfEach},
	{"GET", listDropsPath + "?pid=0", ``, 200, allOf0},
	{"GET", listDropsPath + "?pid=0&limit=1", ``, 200, oneOf0},
	{"GET", listDropsPath + "?pid=999", ``, 200,
		`{"total_pids":0,"drops":{},"truncated":false,"message":"Found 0 packet drops for PID 999"}`},
	{"POST", listDropsPath, `{}`, 200, allDrops},
	{"POST", listDropsPath, `{"limit":1}`, 200, oneOfEach},
	{"POST", listDropsPath, `{"pid":0}`, 200, allOf0},
	{"POST", listDropsPath, `{"pid":0,"limit":1}`, 200, oneOf0},
	{"GET", listDropsPath + "?pid=x", ``, 400, errorPID},
	{"GET", listDropsPath + "?limit=x", ``, 400, errorLimit},
	{"GET", listDropsPath + "?limit=0", ``, 400, errorLimit},
	{"GET", listDropsPath + "?limit=1001", ``, 400, errorMaxLimit},
	{"POST", listDropsPath, ``, 400, errorBody},
	{"POST", listDropsPath, `{"pid":-1}`, 400, errorPID},
	{"POST", listDropsPath, `{"limit":0}`, 400, errorLimit},
	{"POST", listDropsPath, `{"limit":1001}`, 400, errorMaxLimit},
}
