package export

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// authority makes certificates for a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{certificate, key, x509.NewCertPool()}
	a.pool.AddCert(certificate)
	return a
}

// issue returns a certificate for both ends of a connection over loopback.
func (a *authority) issue(t *testing.T) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLS(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{ours.issue(t)}}
	mutual := server.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, ours.pool
	for name, test := range map[string]struct {
		server, client *tls.Config
		taken          bool
	}{
		"tls":             {server, &tls.Config{RootCAs: ours.pool}, true},
		"mutual":          {mutual, &tls.Config{RootCAs: ours.pool, Certificates: []tls.Certificate{ours.issue(t)}}, true},
		"wrong authority": {server, &tls.Config{RootCAs: other.pool}, false},
		"no certificate":  {mutual, &tls.Config{RootCAs: ours.pool}, false},
		"plaintext":       {server, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, protocol string) {
				collector := receiver{tls: test.server}
				o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
				o.LogTimeout, o.MetricTimeout, o.MetricInterval = 100*time.Millisecond, 100*time.Millisecond, time.Hour
				for _, to := range []*OTLP{o.LogsOTLP, o.MetricsOTLP} {
					to.TLS = test.client
					if test.client != nil {
						to.Endpoint = strings.Replace(to.Endpoint, "http://", "https://", 1)
					}
				}
				if test.taken {
					o.LogTimeout, o.MetricTimeout = patience, patience
				}
				p := begin(t, o)
				p.Handle(anEvent(0))
				err := p.Shutdown(t.Context())
				s := p.Status()[0]
				checkIdentity(t, s.Logs)
				if taken := s.Logs.Exported == 1 && s.Metrics.Exported == 1; taken != test.taken || taken != (err == nil) {
					t.Errorf("status %+v, %v", s, err)
				}
			})
		})
	}
}
