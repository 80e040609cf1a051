package api

const (
	errorBody     = "Invalid JSON request body"
	errorPositive = "duration must be positive"
	errorExceeds  = "duration cannot exceed 3600 seconds"
	errorBoth     = "cannot specify both PID and command"
	errorNeither  = "must specify either PID or command"
	errorPID      = "Invalid PID parameter"
	errorLimit    = "Invalid limit parameter"
	errorMaxLimit = "limit cannot exceed 1000"

	attemptsPath = "/api/connection-summary"
	dropsPath    = "/api/packet-drop-summary"
)

var connectionSummaryRows = []exchange{
	{"POST", attemptsPath, `{"pid":42,"duration":60}`, 200,
		`{"total_attempts":7,"pid":42,"duration":60,"message":"Found 7 connection attempts from PID 42 over 60 seconds"}`},
	{"POST", attemptsPath, `{"command":"curl","duration":1}`, 200,
		`{"total_attempts":3,"command":"curl","duration":1,
		  "message":"Found 3 connection attempts from command 'curl' over 1 seconds"}`},
	{"POST", attemptsPath, `{"command":"nginx","duration":3600}`, 200,
		`{"total_attempts":0,"command":"nginx","duration":3600,
		  "message":"Found 0 connection attempts from command 'nginx' over 3600 seconds"}`},
	{"POST", attemptsPath, `{"pid":4294967295,"duration":5}`, 200,
		`{"total_attempts":1,"pid":4294967295,"duration":5,
		  "message":"Found 1 connection attempts from PID 4294967295 over 5 seconds"}`},
	// process_name is another name of command, used only where that is empty; a pid of 0 or null counts as none.
	{"POST", attemptsPath, `{"process_name":"curl","duration":1}`, 200, curlAttempts},
	{"POST", attemptsPath, `{"command":"curl","process_name":"nginx","duration":1}`, 200, curlAttempts},
	{"POST", attemptsPath, `{"pid":0,"command":"curl","duration":1}`, 200, curlAttempts},
	{"POST", attemptsPath, `{"pid":null,"command":"curl","duration":1}`, 200, curlAttempts},
	{"POST", attemptsPath, ` {"command":"curl","duration":1,"unknown":{"field":[]}} `, 200, curlAttempts},
	// JSON first.
	{"POST", attemptsPath, ``, 400, errorBody},
	{"POST", attemptsPath, `{`, 400, errorBody},
	{"POST", attemptsPath, `[]`, 400, errorBody},
	{"POST", attemptsPath, `"curl"`, 400, errorBody},
	{"POST", attemptsPath, `{"pid":42,"duration":60}{}`, 400, errorBody},
	{"POST", attemptsPath, `{"pid":42,"duration":60} trailing`, 400, errorBody},
	{"POST", attemptsPath, `{"pid":"42","duration":60}`, 400, errorBody},
	{"POST", attemptsPath, `{"pid":4.2,"duration":60}`, 400, errorBody},
	{"POST", attemptsPath, `{"pid":42,"duration":"60"}`, 400, errorBody},
	{"POST", attemptsPath, `{"command":42,"duration":60}`, 400, errorBody},
	{"POST", attemptsPath, `pid=42&duration=60`, 400, errorBody},
	// Then the duration, …
	{"POST", attemptsPath, `{}`, 400, errorPositive},
	{"POST", attemptsPath, `null`, 400, errorPositive},
	{"POST", attemptsPath, `{"pid":42}`, 400, errorPositive},
	{"POST", attemptsPath, `{"pid":42,"command":"curl"}`, 400, errorPositive},
	{"POST", attemptsPath, `{"pid":-1,"duration":0}`, 400, errorPositive},
	{"POST", attemptsPath, `{"pid":42,"duration":-1}`, 400, errorPositive},
	{"POST", attemptsPath, `{"pid":42,"duration":-99999999999999999999}`, 400, errorPositive},
	{"POST", attemptsPath, `{"pid":42,"duration":3601}`, 400, errorExceeds},
	{"POST", attemptsPath, `{"pid":42,"duration":99999999999999999999}`, 400, errorExceeds},
	// … then pid and command.
	{"POST", attemptsPath, `{"pid":-1,"duration":60}`, 400, errorPID},
	{"POST", attemptsPath, `{"pid":4294967296,"duration":60}`, 400, errorPID},
	{"POST", attemptsPath, `{"pid":99999999999999999999,"duration":60}`, 400, errorPID},
	{"POST", attemptsPath, `{"pid":42,"command":"curl","duration":60}`, 400, errorBoth},
	{"POST", attemptsPath, `{"pid":42,"process_name":"curl","duration":60}`, 400, errorBoth},
	{"POST", attemptsPath, `{"duration":60}`, 400, errorNeither},
	{"POST", attemptsPath, `{"pid":0,"command":"","duration":60}`, 400, errorNeither},
	// The query is no part of the question.
	{"POST", attemptsPath + "?pid=42", `{"duration":60}`, 400, errorNeither},
}

const curlAttempts = `{"total_attempts":3,"command":"curl","duration":1,
	"message":"Found 3 connection attempts from command 'curl' over 1 seconds"}`

var packetDropSummaryRows = []exchange{
	{"POST", dropsPath, `{"pid":42,"duration":60}`, 200,
		`{"total_drops":9,"pid":42,"duration":60,"message":"Found 9 packet drops from PID 42 over 60 seconds"}`},
	{"POST", dropsPath, `{"command":"curl","duration":60}`, 200, curlDrops},
	{"POST", dropsPath, `{"process_name":"curl","duration":60}`, 200, curlDrops},
	{"POST", dropsPath, ``, 400, errorBody},
	{"POST", dropsPath, `{"pid":42,"duration":60}]`, 400, errorBody},
	{"POST", dropsPath, `{"pid":42,"command":"curl"}`, 400, errorPositive},
	{"POST", dropsPath, `{"pid":42,"command":"curl","duration":3601}`, 400, errorExceeds},
	{"POST", dropsPath, `{"pid":-7,"duration":60}`, 400, errorPID},
	{"POST", dropsPath, `{"pid":42,"command":"curl","duration":60}`, 400, errorBoth},
	{"POST", dropsPath, `{"duration":60}`, 400, errorNeither},
}

const curlDrops = `{"total_drops":4,"command":"curl","duration":60,
	"message":"Found 4 packet drops from command 'curl' over 60 seconds"}`
