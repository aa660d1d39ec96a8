package conns

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate is a TLS certificate that is read again when its files change, so that a renewal
// needs no restart.
type Certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	current *tls.Certificate
	read    [2]stamp // of the files as they were last read
	failed  string   // the last logged error
	log     *slog.Logger
}

// stamp shows whether a file has changed.
type stamp struct {
	at   time.Time
	size int64
}

// LoadCertificate reads a certificate with its chain, and its key, both PEM. Errors do not
// show the content of the files.
func LoadCertificate(certFile, keyFile string) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: slog.New(slog.DiscardHandler)}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// LogTo sets the log for later reads of the certificate, and their errors.
func (c *Certificate) LogTo(log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = log
}

func (c *Certificate) load() error {
	read, err := c.stamps()
	if err != nil {
		return err
	}
	if read == c.read {
		return nil
	}
	// These files are not read again, even after an error.
	c.read = read
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current = &pair
	return nil
}

func (c *Certificate) stamps() (read [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return read, err
		}
		read[i] = stamp{info.ModTime(), info.Size()}
	}
	return read, nil
}

// config returns the configuration of TLS with the certificate, or nil without one.
func (c *Certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: c.get}
}

// get implements [tls.Config.GetCertificate]. While files are replaced, they may not match or
// may be missing. In this case the old certificate stays in use.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.current
	if err := c.load(); err != nil && err.Error() != c.failed {
		c.failed = err.Error()
		c.log.Warn("cannot read the new certificate; the old one stays in use", "file", c.certFile, "error", err)
	} else if c.current != before {
		c.failed = ""
		c.log.Info("the certificate was read again", "file", c.certFile)
	}
	return c.current, nil
}
