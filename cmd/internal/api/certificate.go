package api

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate is a TLS certificate that is read again when its files change, so that
// one which is renewed needs no restart.
type Certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	current *tls.Certificate
	read    [2]stamp // of the files as they were last read
	failed  string   // what was last said of them
	log     *slog.Logger
}

// stamp tells whether a file is another than it was.
type stamp struct {
	at   time.Time
	size int64
}

// LoadCertificate reads a certificate, with its chain, and its key, both PEM. Errors do
// not show what is in the files.
func LoadCertificate(certFile, keyFile string) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: slog.New(slog.DiscardHandler)}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// LogTo has the certificate say on log when it was read again, or could not be.
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
	// Whatever comes of it, these files are not tried again.
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

// get is [tls.Config.GetCertificate]. Files that are being replaced may not go together
// for a moment, or not be there: then the certificate that is in use stays in use.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.current
	if err := c.load(); err != nil && err.Error() != c.failed {
		c.failed = err.Error()
		c.log.Warn("the certificate of the API cannot be read again; the old one stays in use", "error", err)
	} else if c.current != before {
		c.failed = ""
		c.log.Info("the certificate of the API was read again")
	}
	return c.current, nil
}
