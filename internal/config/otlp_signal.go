package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Signal is where one signal goes, with everything decided.
type Signal struct {
	// Console is the form in which the signal is printed: text, json, or "" for not at all.
	Console string
	// Send tells whether the signal goes to a collector. What follows holds only then.
	Send bool
	// Protocol is ProtocolGRPC or ProtocolHTTP.
	Protocol string
	// Endpoint is host:port or unix:///path with gRPC and a whole URL with HTTP.
	Endpoint string
	// Plaintext tells that there is no TLS.
	Plaintext bool
	Headers   map[string]string
	// Timeout bounds one request.
	Timeout time.Duration
	Gzip    bool
	// Certificate, ClientCertificate and ClientKey are paths of PEM files, "" for none.
	Certificate, ClientCertificate, ClientKey string
}

// LogSignal returns where log records go.
func (c *Config) LogSignal() (Signal, error) {
	return c.signal("logs", &c.OTLP.Logs, c.OTLP.LogsExporter)
}

// MetricSignal returns where metrics go.
func (c *Config) MetricSignal() (Signal, error) {
	return c.signal("metrics", &c.OTLP.Metrics, c.OTLP.MetricsExporter)
}

// signal decides for one signal. The console prints both if it is asked for by itself. A collector gets what its
// exporter says, else what anything is set for, else everything unless the console was asked for.
func (c *Config) signal(name string, own *Transport, exporter string) (Signal, error) {
	if c.Disabled {
		return Signal{}, nil
	}
	general := &c.OTLP.General
	exporters := strings.Split(exporter, ",")
	s := Signal{Console: c.Console, Send: c.Console == "" || general.isSet() || own.isSet()}
	if exporter != "" {
		s.Send = slices.Contains(exporters, "otlp")
	}
	if slices.Contains(exporters, "console") {
		s.Console = cmp.Or(s.Console, "text")
	}
	if !s.Send {
		return s, nil
	}
	s.Protocol = cmp.Or(own.Protocol, general.Protocol, ProtocolGRPC)
	s.Timeout = cmp.Or(own.Timeout, general.Timeout, 10*time.Second)
	s.Gzip = cmp.Or(own.Compression, general.Compression) == "gzip"
	s.Certificate = cmp.Or(own.Certificate, general.Certificate)
	s.ClientCertificate = cmp.Or(own.ClientCertificate, general.ClientCertificate)
	s.ClientKey = cmp.Or(own.ClientKey, general.ClientKey)
	if s.Headers = own.Headers; s.Headers == nil {
		s.Headers = general.Headers
	}
	if (s.ClientCertificate == "") != (s.ClientKey == "") {
		return s, fmt.Errorf("otlp.%s: client_certificate and client_key go together", name)
	}
	key := "otlp." + name + ".endpoint"
	if own.Endpoint == "" {
		key = "otlp.endpoint"
	}
	if err := s.resolve(name, own.Endpoint, general.Endpoint, cmp.Or(own.Insecure, general.Insecure)); err != nil {
		return s, fmt.Errorf("%s: %w", key, err)
	}
	return s, nil
}

// resolve decides where exactly the collector is and whether the way there is in plaintext. A URL for both signals gets
// the signal's path appended, one for a single signal is taken as it is.
func (s *Signal) resolve(name, own, general, insecure string) error {
	standard := "localhost:4317"
	if s.Protocol == ProtocolHTTP {
		standard = "localhost:4318"
	}
	endpoint := cmp.Or(own, general, standard)
	path := "/v1/" + name
	if strings.HasPrefix(endpoint, "unix://") {
		if s.Protocol != ProtocolGRPC {
			return fmt.Errorf("%q is a socket, which protocol %s cannot use", endpoint, s.Protocol)
		}
		s.Endpoint, s.Plaintext = endpoint, true
		return nil
	}
	if !strings.Contains(endpoint, "://") {
		certified := s.Certificate != "" || s.ClientCertificate != ""
		s.Plaintext = insecure == "true" || insecure == "" && !certified
		s.Endpoint = endpoint
		if s.Protocol == ProtocolHTTP {
			s.Endpoint = map[bool]string{true: "http://", false: "https://"}[s.Plaintext] + endpoint + path
		}
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	s.Plaintext = u.Scheme == "http"
	switch {
	case s.Protocol == ProtocolHTTP && own == "":
		u.Path = strings.TrimSuffix(u.Path, "/") + path
		s.Endpoint = u.String()
	case s.Protocol == ProtocolHTTP:
		u.Path = cmp.Or(u.Path, "/")
		s.Endpoint = u.String()
	case u.Port() == "":
		return errors.New("gRPC needs a port (example: https://collector:4317)")
	default:
		s.Endpoint = u.Host
	}
	return nil
}
