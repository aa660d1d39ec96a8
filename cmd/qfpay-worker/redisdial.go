package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// tlsFiles are the files of a private authority and of a client certificate. They are read for
// each new connection, so that a renewal needs no restart.
type tlsFiles struct {
	ca        string // "": the authorities of the system
	cert, key string // "": no client certificate
}

// maxCertificates is the largest file of certificates, in bytes. Debian's list of all public
// authorities has 220 kB.
const maxCertificates = 1 << 20

// tlsFiles checks the settings of TLS.
func (c RedisConfig) tlsFiles(found *checks) tlsFiles {
	files := tlsFiles{c.TLSCAFile, c.TLSCertFile, c.TLSKeyFile}
	if _, err := files.authorities(); err != nil {
		found.failed("REDIS_TLS_CA_FILE", "%v", err)
	}
	switch {
	case files.cert == "" && files.key != "":
		found.failed("REDIS_TLS_CERT_FILE", "required with REDIS_TLS_KEY_FILE")
	case files.cert != "" && files.key == "":
		found.failed("REDIS_TLS_KEY_FILE", "required with REDIS_TLS_CERT_FILE")
	default:
		if _, err := files.certificates(); err != nil {
			found.failed("REDIS_TLS_CERT_FILE", "with REDIS_TLS_KEY_FILE: %v", err)
		}
		found.secretFile("REDIS_TLS_KEY_FILE", files.key)
	}
	return files
}

// authorities returns the authorities to trust; nil means those of the system.
func (f tlsFiles) authorities() (*x509.CertPool, error) {
	if f.ca == "" {
		return nil, nil
	}
	text, err := readFile(f.ca, maxCertificates)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: has no certificate in PEM", shownPath(f.ca))
	}
	return pool, nil
}

// certificates returns the client certificate, if there is one.
func (f tlsFiles) certificates() ([]tls.Certificate, error) {
	if f.cert == "" {
		return nil, nil
	}
	cert, err := readFile(f.cert, maxCertificates)
	if err != nil {
		return nil, err
	}
	key, err := readFile(f.key, maxCertificates)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return []tls.Certificate{pair}, nil
}

// config returns base with the files as they are now.
func (f tlsFiles) config(base *tls.Config) (*tls.Config, error) {
	authorities, err := f.authorities()
	if err != nil {
		return nil, fmt.Errorf("REDIS_TLS_CA_FILE: %w", err)
	}
	certificates, err := f.certificates()
	if err != nil {
		return nil, fmt.Errorf("REDIS_TLS_CERT_FILE: %w", err)
	}
	c := base.Clone()
	c.RootCAs, c.Certificates = authorities, certificates
	return c, nil
}

// setDialer makes all connections of r, those to Sentinels included, with the files.
func (r Redis) setDialer(found *checks, files tlsFiles) {
	o := r.options()
	if o.tls == nil {
		for _, set := range []struct{ variable, path string }{{"REDIS_TLS_CA_FILE", files.ca}, {"REDIS_TLS_CERT_FILE", files.cert}} {
			if set.path != "" {
				found.failed(set.variable, "set, but REDIS_URL has no TLS: use rediss://, or tls=true with redis-sentinel:// and redis-cluster://")
			}
		}
	}
	*o.dialer = dialer{timeout: o.dialTimeout, tls: o.tls, files: files}.dial
}

// dialer connects to a server.
type dialer struct {
	timeout time.Duration // with the handshake of TLS
	tls     *tls.Config   // nil: no TLS
	files   tlsFiles
}

// keepAlive is that of go-redis's own dialer.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3}

func (d dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: d.timeout, KeepAliveConfig: keepAlive}
	if d.tls == nil {
		conn, err := plain.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		first := &firstAnswer{Conn: conn}
		if raw, is := conn.(syscall.Conn); is { // go-redis asks it whether an idle connection is still open
			return struct {
				*firstAnswer
				syscall.Conn
			}{first, raw}, nil
		}
		return first, nil
	}
	config, err := d.files.config(d.tls)
	if err != nil {
		return nil, err
	}
	conn, err := (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &firstAnswer{Conn: conn}, nil
}

// firstAnswer is a connection that notices when a server turns it away: a server with too many
// clients says so, unasked, and hangs up. go-redis takes these words for the answer to its first
// command, goes on, and reports a broken pipe.
type firstAnswer struct {
	net.Conn
	heard atomic.Bool // the server has answered
}

// turnedAwayError is what a server said before it hung up.
type turnedAwayError string

// Error implements error.
func (e turnedAwayError) Error() string { return "Redis takes no connection: " + string(e) }

// turnedAway has the beginnings of what a server says before it hangs up (networking.c of Redis
// 7.0: acceptCommonHandler and its protected mode).
var turnedAway = []string{"-ERR max number of clients", "-DENIED "}

// Read implements [net.Conn].
func (c *firstAnswer) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 0 || c.heard.Swap(true) {
		return n, err
	}
	if turnsAway(b[:n]) {
		line, _, _ := strings.Cut(string(b[1:n]), "\r\n")
		return 0, turnedAwayError(line)
	}
	return n, err
}

func turnsAway(answer []byte) bool {
	return slices.ContainsFunc(turnedAway, func(begin string) bool { return bytes.HasPrefix(answer, []byte(begin)) })
}

// Write implements [net.Conn]. When the server has hung up before its first answer was read, its
// words are still there: those, or an alert of TLS.
func (c *firstAnswer) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err == nil || c.heard.Load() {
		return n, err
	}
	c.Conn.SetReadDeadline(time.Now().Add(time.Second))
	_, why := c.Read(make([]byte, 512))
	_, away := errors.AsType[turnedAwayError](why)
	if alert, is := errors.AsType[*net.OpError](why); away || is && alert.Op == "remote error" {
		return n, why
	}
	return n, err
}
