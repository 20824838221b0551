package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-im/muster/imclient"
	"github.com/muster-im/muster/internal/server"
)

// pair is a certificate for 127.0.0.1 and its key, in PEM.
type pair struct{ cert, key []byte }

func newPair(t *testing.T, name string) pair {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

func replace(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// log is a log that can be read while it is written.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) count(line string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), line)
}

// Certificates must be read again when they change; while the pair does not fit, as
// between the writing of its two files, the old one must stay in use.
func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	c := settings(inMemory())
	c.TLSCert, c.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first, second := newPair(t, "first"), newPair(t, "second")
	replace(t, c.TLSCert, first.cert)
	replace(t, c.TLSKey, first.key)
	var logged log
	s, err := server.New(server.Options{Config: c, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.WithoutCancel(t.Context())) })

	for _, step := range []struct {
		name string
		do   func()
		want string // whose certificate is served
	}{
		{"start", func() {}, "first"},
		{"only the certificate is new", func() { replace(t, c.TLSCert, second.cert) }, "first"},
		{"nothing new", func() {}, "first"},
		{"the key is new too", func() { replace(t, c.TLSKey, second.key) }, "second"},
		{"a file is gone", func() { _ = os.Remove(c.TLSKey) }, "second"},
		{"and back", func() { replace(t, c.TLSKey, second.key) }, "second"},
		{"back to the first", func() { replace(t, c.TLSKey, first.key); replace(t, c.TLSCert, first.cert) }, "first"},
	} {
		step.do()
		if got := servedBy(t, s); got != step.want {
			t.Errorf("%s: served by %s", step.name, got)
		}
	}
	if n := logged.count("cannot be used"); n != 2 {
		t.Errorf("%d complaints about 2 broken pairs", n)
	}
}

// servedBy returns the name in the certificate of a new connection.
func servedBy(t *testing.T, s *server.Server) string {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := d.DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
}

// The REST API must work over HTTPS, while the operator's door stays plain.
func TestHTTPS(t *testing.T) {
	dir := t.TempDir()
	c := settings(inMemory())
	c.TLSCert, c.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	p := newPair(t, "muster")
	replace(t, c.TLSCert, p.cert)
	replace(t, c.TLSKey, p.key)
	s := start(t, c)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.cert)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client, err := imclient.New(imclient.Options{
		BaseURL: "https://" + s.Addr(), SDKAppID: appID, Key: key, Admin: admin, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := imported(t, client, admin); got != "true" {
		t.Errorf("imported: %s", got)
	}
	if !s.TLS() {
		t.Error("TLS() is false")
	}
	if got := ready(t, s); got["ready"] != true {
		t.Errorf("/readyz says %v", got)
	}
}
