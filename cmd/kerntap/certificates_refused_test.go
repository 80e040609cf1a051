package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What cannot be a certificate or its key is refused before anything else happens, with one line that names the file.
func TestBadCertificatesAreRefusedWithOneLine(t *testing.T) {
	made, other := newCertificates(t), newCertificates(t)
	dir := t.TempDir()
	garbage, config := filepath.Join(dir, "garbage.pem"), filepath.Join(dir, "kerntap.yaml")
	block := "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
	if err := os.WriteFile(garbage, []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	const unreadable = "/proc/self/mem" // even for root
	for _, test := range []struct{ name, authority, client, key, want string }{
		{"an authority of garbage", garbage, made.client, made.clientKey, garbage + " holds no certificate"},
		{"an authority that is a key", made.clientKey, made.client, made.clientKey, made.clientKey + " holds no certificate"},
		{"an authority that is a directory", dir, made.client, made.clientKey, dir + ": is a directory"},
		{"an authority that cannot be read", unreadable, made.client, made.clientKey, unreadable + ": input/output error"},
		{"a certificate of garbage", made.authority, garbage, made.clientKey, garbage},
		{"a certificate that is a directory", made.authority, dir, made.clientKey, dir + ": is a directory"},
		{"a certificate that cannot be read", made.authority, unreadable, made.clientKey, unreadable + ": input/output error"},
		{"the key of another certificate", made.authority, made.client, other.clientKey, "private key does not match public key"},
		{"a key of garbage", made.authority, made.client, garbage, garbage},
		{"a key that is a directory", made.authority, made.client, dir, dir + ": is a directory"},
		{"a key that cannot be read", made.authority, made.client, unreadable, unreadable + ": input/output error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			yaml := fmt.Sprintf("otlp: {endpoint: 'https://127.0.0.1:1', certificate: '%s', client_certificate: '%s', client_key: '%s'}\n",
				test.authority, test.client, test.key)
			if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := invoke(t, "run", "--config", config, "--listen", "off")
			if code != exitUsage || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, stdout %q, stderr %q, want one line with %q", code, stdout, stderr, test.want)
			}
		})
	}
}
