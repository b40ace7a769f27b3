package broker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

// TLSFiles are RabbitMQ's ssl_options.
type TLSFiles struct {
	Cert, Key string
	// CA is what clients' certificates are verified with; they need none if
	// it is empty.
	CA string
	// Required refuses clients without a certificate, fail_if_no_peer_cert.
	Required bool
}

// Config reads the files, for ServeTLS.
func (f TLSFiles) Config() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if f.CA == "" {
		if f.Required {
			return nil, fmt.Errorf("clients' certificates are required, and there is no CA to verify them with")
		}
		return cfg, nil
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("CA certificates: %w", err)
	}
	cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA certificates %s: there are none in it", f.CA)
	}
	if f.Required {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return cfg, nil
}

// expires is when the first of the certificates is not valid any more.
func expires(cfg *tls.Config) time.Time {
	var first time.Time
	for _, c := range cfg.Certificates {
		leaf := c.Leaf
		if leaf == nil && len(c.Certificate) > 0 {
			leaf, _ = x509.ParseCertificate(c.Certificate[0]) // tls.Config holds it: it was parsed before
		}
		if leaf != nil && (first.IsZero() || leaf.NotAfter.Before(first)) {
			first = leaf.NotAfter
		}
	}
	return first
}
