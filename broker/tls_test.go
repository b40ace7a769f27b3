package broker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/internal/testx"
)

// certificate writes a certificate that signs itself, and its key.
func certificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testx.NoErr(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &private.PublicKey, private)
	testx.NoErr(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	testx.NoErr(t, err)
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	testx.NoErr(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	testx.NoErr(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	return cert, key
}

// TestTLS talks through TLS, on IPv4 and IPv6, with a message of many frames,
// and to a broker that wants to see a certificate.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir, "server")
	clientCert, clientKey := certificate(t, dir, "client")
	roots := x509.NewCertPool()
	raw, err := os.ReadFile(cert)
	testx.NoErr(t, err)
	roots.AppendCertsFromPEM(raw)
	pair, err := tls.LoadX509KeyPair(clientCert, clientKey)
	testx.NoErr(t, err)
	b := newBroker(t, broker.Config{})
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, required := range []bool{false, true} {
			cfg, err := broker.TLSFiles{Cert: cert, Key: key, CA: clientCert, Required: required}.Config()
			testx.NoErr(t, err)
			l, err := net.Listen("tcp", address)
			testx.NoErr(t, err)
			go b.ServeTLS(l, cfg)
			url := "amqps://guest:guest@" + l.Addr().String()
			c, err := rabbit.DialTLS(url, &tls.Config{RootCAs: roots})
			if required {
				if err == nil {
					t.Errorf("%s: no certificate is required", address)
				}
				c, err = rabbit.DialTLS(url, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}})
			}
			testx.NoErr(t, err)
			t.Cleanup(func() { c.Close() })
			ch, err := c.Channel()
			testx.NoErr(t, err)
			declare(t, ch, "q", nil)
			body := strings.Repeat("0123456789", 50_000)
			publish(t, ch, "", "q", body)
			m, ok := get(t, ch, "q", true)
			testx.Equal(t, ok && string(m.Body) == body, true)
		}
	}
	opened := 0
	for _, c := range b.Stats().Connections {
		if c.User == "" { // refused without a certificate, and not gone yet
			continue
		}
		opened++
		if c.TLS == nil || c.TLS.Version != tls.VersionTLS13 || !strings.HasSuffix(c.Name, net.JoinHostPort(c.Host, portOf(c.Name))) {
			t.Errorf("%s: %+v", c.Name, c.TLS)
		}
	}
	testx.Equal(t, opened, 4)
	for _, l := range b.Listeners() {
		testx.Equal(t, l.Protocol, "amqp/ssl")
		if left := time.Until(l.CertificateExpires); left <= 0 || left > time.Hour {
			t.Errorf("the certificate expires at %s", l.CertificateExpires)
		}
	}
}

func portOf(name string) string { return name[strings.LastIndex(name, ":")+1:] }

// TestTLSFiles reads files that are not what they should be.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir, "server")
	for name, tc := range map[string]struct {
		files broker.TLSFiles
		want  string
	}{
		"no file":     {broker.TLSFiles{Cert: dir + "/none", Key: key}, "no such file"},
		"wrong key":   {broker.TLSFiles{Cert: cert, Key: cert}, "server.pem"},
		"no CA":       {broker.TLSFiles{Cert: cert, Key: key, Required: true}, "no CA"},
		"no CA file":  {broker.TLSFiles{Cert: cert, Key: key, CA: dir + "/none"}, "no such file"},
		"CA is empty": {broker.TLSFiles{Cert: cert, Key: key, CA: key}, "there are none in it"},
	} {
		if _, err := tc.files.Config(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
