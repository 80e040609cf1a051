package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certificates are the files of an authority and of what it issued to both ends of a connection over loopback.
type certificates struct {
	authority, server, serverKey, client, clientKey string

	issuer *x509.Certificate
	signer crypto.Signer
}

func newCertificates(t *testing.T) certificates {
	t.Helper()
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key := newKey(t)
	c := certificates{issuer: authority, signer: key}
	c.authority, _ = issue(t, authority, authority, key, key)
	c.server, c.serverKey = c.leaf(t, 2, x509.ExtKeyUsageServerAuth, time.Hour)
	c.client, c.clientKey = c.leaf(t, 3, x509.ExtKeyUsageClientAuth, time.Hour)
	return c
}

// leaf issues a certificate that is good for a while from now on.
func (c certificates) leaf(t *testing.T, serial int64, usage x509.ExtKeyUsage, good time.Duration) (file, key string) {
	t.Helper()
	return issue(t, &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(good),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{usage}}, c.issuer, newKey(t), c.signer)
}

// renew puts another certificate of the client in the place of the one before.
func (c certificates) renew(t *testing.T, serial int64) {
	t.Helper()
	file, key := c.leaf(t, serial, x509.ExtKeyUsageClientAuth, time.Hour)
	if err := errors.Join(os.Rename(file, c.client), os.Rename(key, c.clientKey)); err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue writes a certificate and its key, in PEM, and returns the files.
func issue(t *testing.T, template, parent *x509.Certificate, key, signer crypto.Signer) (certificate, private string) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, private = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der},
		private:     {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, private
}
