package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
)

// writeCertificate writes a certificate and its key to the current folder.
func writeCertificate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"c.pem": {Type: "CERTIFICATE", Bytes: der}, "k.pem": {Type: "PRIVATE KEY", Bytes: private},
		"empty.pem": {Type: "NOTHING"},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCertificatesAreRead(t *testing.T) {
	t.Chdir(t.TempDir())
	writeCertificate(t)
	got, err := Signal{Send: true, Certificate: "c.pem", ClientCertificate: "c.pem", ClientKey: "k.pem"}.TLS()
	if err != nil || got.RootCAs == nil || len(got.Certificates) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, none := range []Signal{{}, {Send: true, Plaintext: true, Certificate: "absent"}} {
		if got, err := none.TLS(); got != nil || err != nil {
			t.Errorf("%+v: %+v, %v", none, got, err)
		}
	}
	for want, wrong := range map[string]Signal{
		"otlp certificate: open absent.pem":                       {Certificate: "absent.pem"},
		"otlp certificate: empty.pem holds no certificate in PEM": {Certificate: "empty.pem"},
		"otlp client_certificate c.pem and client_key absent.pem": {ClientCertificate: "c.pem", ClientKey: "absent.pem"},
		"otlp client_certificate c.pem and client_key c.pem":      {ClientCertificate: "c.pem", ClientKey: "c.pem"},
	} {
		wrong.Send = true
		if _, err := wrong.TLS(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
