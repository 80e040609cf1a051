package main

import (
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// secured is the configuration of a kerntap that shows certificates and a header to a collector.
func secured(made certificates, endpoint, token string) string {
	return fmt.Sprintf("otlp: {endpoint: 'https://%s', certificate: '%s', client_certificate: '%s', client_key: '%s', "+
		"headers: {x-token: %s}}\nmetric_interval: 1h\nscope: host\n"+
		"filters: {commands: [kt-secured]}\n", endpoint, made.authority, made.client, made.clientKey, token)
}

// A certificate that is renewed in its place, and a header that is another one, are what the collector gets from the
// signal on.
func TestCertificatesAndHeadersFollowAReload(t *testing.T) {
	ns, made := bpftest.NewNamespace(t), newCertificates(t)
	var collector witness
	endpoint := collector.start(t, "127.0.0.1:0", made.wantsCertificates(t))
	r := startReloadable(t, secured(made, endpoint, "one"))
	var want []string
	connect := func(sender string) {
		ns.StartHelper(t, "kt-secured", "dial", "127.0.0.1:7").End(t)
		want = append(want, sender)
		bpftest.Until(t, "the record of "+sender+" arrives", func() bool { return len(collector.heard()) >= len(want) })
	}
	connect("3 one")
	made.renew(t, 4)
	connect("3 one") // nobody has told kerntap
	r.reload(t, secured(made, endpoint, "one"))
	connect("4 one")
	r.reload(t, secured(made, endpoint, "two"))
	connect("4 two")
	if err := os.WriteFile(made.client, []byte("half a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reload(t, secured(made, endpoint, "three"))
	r.said.check(t, map[string]int{"the new configuration is in force": 2, "the new configuration is refused": 1})
	connect("4 two")
	if got := collector.heard(); !slices.Equal(got, want) {
		t.Errorf("the collector heard of %v, want %v", got, want)
	}
	r.stop()
}

// What a certificate lacks that can be read, the collector says, if its alert is faster than the end of the connection (TLS 1.3):
// kerntap keeps the records, and says in one line that it waits.
func TestAnExpiredCertificateIsWaitedForWithOneLine(t *testing.T) {
	ns, made := bpftest.NewNamespace(t), newCertificates(t)
	var collector witness
	endpoint := collector.start(t, "127.0.0.1:0", made.wantsCertificates(t))
	good, goodKey := made.client, made.clientKey
	made.client, made.clientKey = made.leaf(t, 9, x509.ExtKeyUsageClientAuth, -time.Minute)
	r := startReloadable(t, secured(made, endpoint, "one"))
	ns.StartHelper(t, "kt-secured", "dial", "127.0.0.1:7").End(t)
	awaitHealth(t, r.api, "waiting for otlp grpc")
	bpftest.Until(t, "it says why", func() bool { return strings.Contains(r.said.String(), "level=WARN") })
	r.said.check(t, map[string]int{"level=WARN": 1, "waiting for the collector": 1})
	if got := collector.heard(); len(got) > 0 {
		t.Errorf("the collector heard of %v", got)
	}
	made.client, made.clientKey = good, goodKey
	r.reload(t, secured(made, endpoint, "one"))
	bpftest.Until(t, "the record arrives", func() bool { return slices.Equal(collector.heard(), []string{"3 one"}) })
	account := checkAccount(t, r.api)
	r.stop()
	collector.mu.Lock()
	defer collector.mu.Unlock()
	if n := account[fact{"exporter_records", "", "exported", ""}]; n != uint64(collector.taken) || n == 0 {
		t.Errorf("%d records are said to be exported, %d were taken", n, collector.taken)
	}
	if !maps.Equal(collector.told.steady(), account.steady()) {
		t.Errorf("over OTLP it says %v, /health said %v", collector.told, account)
	}
}
