package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestExplainSaysWhatAReasonMeans(t *testing.T) {
	for _, test := range []struct {
		args   []string
		code   int
		stdout []string
		stderr string
	}{
		{[]string{"NO_SOCKET"}, 0, []string{"NO_SOCKET", "refused", "no socket is open there", "look at ss -lntu"}, ""},
		{[]string{"skb_drop_reason_netfilter_drop"}, 0, []string{"loss", "a rule of the firewall drops it"}, ""},
		{[]string{"nf_hook_slow+0x41"}, 0, []string{"loss", "a rule of the firewall drops it"}, ""},
		{[]string{"MIC_FAIL"}, exitFailed, []string{"mic fail"}, "kerntap: explain: nothing is known here of MIC_FAIL\n"},
		{nil, 0, []string{"IP_RPFILTER", "TCP_LISTEN_OVERFLOW", "OVS_DROP_METER"}, ""},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), environment{stdout: &stdout, stderr: &stderr}, append([]string{"explain"}, test.args...))
		if code != test.code || stderr.String() != test.stderr {
			t.Errorf("%v: exit code %d, %q", test.args, code, stderr.String())
		}
		for _, want := range test.stdout {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%v: %q lacks %q", test.args, stdout.String(), want)
			}
		}
	}
}
