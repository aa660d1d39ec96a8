package qfpay

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// The limits of an HTTP client from NewHTTPClient.
const (
	dialTimeout      = 5 * time.Second
	tlsTimeout       = 5 * time.Second
	idleConns        = 128 // per gateway; more than a worker has in flight by default
	maxHeaderBytes   = 64 << 10
	writeBufferBytes = 8 << 10 // holds a whole request, which is then sent in one piece or not at all

	// idleConnTimeout is shorter than nginx's 60 to 75 s. So our side closes idle
	// connections, and never while a request is sent on one.
	idleConnTimeout = 30 * time.Second
)

// NewHTTPClient returns an HTTP client for calls that must not be made twice.
//
//   - Certificates are verified, with TLS 1.2 or newer.
//   - Redirects are not followed: QFPay documents none, and following one would send an
//     order to another address, or a second time.
//   - HTTP/1.1 only, with connections kept alive. Each connection then carries one call at a
//     time, so that an error on it affects only that call. With HTTP/2, one GOAWAY or reset
//     puts many orders in doubt, and net/http repeats some of their requests by itself.
//   - HTTP_PROXY and similar variables are ignored: the configuration, and not the shell, decides
//     where orders are sent. See [NewHTTPClientVia].
//   - No compression is asked for; an answer that is compressed all the same is read.
//
// It has no timeout of its own; [Client.Timeout] limits every call.
func NewHTTPClient() *http.Client { return NewHTTPClientVia(nil, "") }

// NewHTTPClientVia returns a client like that of [NewHTTPClient] that reaches the gateway through
// a proxy: http, https or socks5, with a user in the URL if it needs one. To an https gateway the
// proxy passes encrypted bytes on. When it cannot be reached, or refuses, nothing was sent. nil:
// no proxy.
func NewHTTPClientVia(proxy *url.URL, password Secret) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	var via func(*http.Request) (*url.URL, error)
	if proxy != nil {
		with := *proxy
		if password != "" {
			with.User = url.UserPassword(proxy.User.Username(), string(password))
		}
		via = http.ProxyURL(&with)
	}
	return &http.Client{
		CheckRedirect: noRedirect,
		Transport: &http.Transport{
			Proxy:                  via,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    tlsTimeout,
			Protocols:              protocols,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    idleConns,
			IdleConnTimeout:        idleConnTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
			WriteBufferSize:        writeBufferBytes,
		},
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// sharedHTTP is the HTTP client of all clients without their own.
var sharedHTTP = sync.OnceValue(NewHTTPClient)

// http returns the HTTP client to use. It never follows redirects, even if the caller's own
// client does: net/http would turn a redirected POST into a GET to another address.
func (c *Client) http() *http.Client {
	h := c.HTTP
	if h == nil {
		h = sharedHTTP()
	}
	own := *h
	own.CheckRedirect = noRedirect
	return &own
}
