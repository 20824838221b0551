package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certificates serves a certificate from a pair of files and reads them again when they
// change. A new pair that cannot be used, perhaps because only one of the files has been
// replaced so far, leaves the old one in use.
//
// It looks at the files at each handshake, which costs some microseconds of a handshake's
// thousand, and so needs no goroutine and never lags behind.
type certificates struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	mu     sync.Mutex // held while looking at the files
	loaded [2]stamp   // of the files as they were when current was read
	broken [2]stamp   // of the files that were last complained about
}

// stamp tells one state of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

// loadCertificates returns those of the settings, nil if there are none.
func (s *Server) loadCertificates() (*certificates, error) {
	if s.config.TLSCert == "" {
		return nil, nil //nolint:nilnil // no certificates is what plain HTTP has
	}
	c := &certificates{
		certFile: s.config.TLSCert,
		keyFile:  s.config.TLSKey,
		log:      s.log.With(slog.String("component", "tls")),
	}
	stamps, err := c.stamps()
	if err == nil {
		err = c.load(stamps)
	}
	if err != nil {
		return nil, fmt.Errorf("tls-cert, tls-key: %w", err)
	}
	return c, nil
}

// get implements tls.Config.GetCertificate.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	// Whoever finds another handshake looking takes what there is.
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		c.refresh()
	}
	return c.current.Load(), nil
}

// refresh reads the files if they are not those in use.
func (c *certificates) refresh() {
	stamps, err := c.stamps()
	if err == nil && stamps == c.loaded {
		return
	}
	if err == nil {
		err = c.load(stamps)
	}
	switch {
	case err == nil:
		c.log.Info("certificate loaded again")
	case stamps != c.broken:
		c.log.Error("the changed certificate cannot be used; the old one stays in use", slog.Any("error", err))
		c.broken = stamps
	}
}

// load reads the files, which had the given stamps just before.
func (c *certificates) load(stamps [2]stamp) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current.Store(&pair)
	c.loaded = stamps
	return nil
}

func (c *certificates) stamps() (s [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return [2]stamp{}, err
		}
		s[i] = stamp{info.ModTime(), info.Size()}
	}
	return s, nil
}
