package qfpay

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// What an HTTP client of NewHTTPClient allows itself.
const (
	dialTimeout      = 5 * time.Second
	tlsTimeout       = 5 * time.Second
	idleConns        = 128              // per gateway; more than a worker has in hand by default
	idleConnTimeout  = 30 * time.Second // below nginx's 60 to 75 s, so that it is us who close an idle connection, and never while a request goes out on it
	maxHeaderBytes   = 64 << 10
	writeBufferBytes = 8 << 10 // holds a whole request: it leaves in one piece or not at all
)

// NewHTTPClient returns an HTTP client fit for calls that must not be made twice.
//
//   - Certificates are verified, with TLS 1.2 or newer.
//   - Redirects are not followed: QFPay documents none, and following one would
//     send an order elsewhere, or a second time.
//   - HTTP/1.1 only, with connections kept alive. One connection then carries one
//     call at a time, so that whatever happens to it concerns that call alone. With
//     HTTP/2 one GOAWAY or reset throws many orders into doubt at once, and net/http
//     repeats some of their requests on its own.
//   - No proxy, and HTTP_PROXY and its like are not read: where orders go is a matter
//     of configuration and not of somebody's shell. Set Proxy of the Transport to
//     use one.
//   - No compression, since the signature of an answer covers the bytes as sent.
//
// It has no timeout of its own; [Client.Timeout] bounds every call.
func NewHTTPClient() *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		CheckRedirect: stay,
		Transport: &http.Transport{
			Proxy:                  nil,
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

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// sharedHTTP serves the clients that name no HTTP client of their own.
var sharedHTTP = sync.OnceValue(NewHTTPClient)

// http returns the HTTP client to use. Redirects are off whatever the caller's own
// client says: net/http would turn a redirected POST into a GET elsewhere.
func (c *Client) http() *http.Client {
	h := c.HTTP
	if h == nil {
		h = sharedHTTP()
	}
	own := *h
	own.CheckRedirect = stay
	return &own
}
