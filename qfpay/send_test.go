package qfpay

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestSend_ARequestIsNeverSentTwice: net/http repeats some requests by itself when a kept-alive
// connection breaks. Our requests are sent once, in whatever state the connection is.
func TestSend_ARequestIsNeverSentTwice(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]int64{"on a new connection": 1, "on a connection used before": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipe{answer: func(n int64, _ *http.Request, conn net.Conn) bool {
					return n != breaks && write(conn, createdBody()) // read whole, and the connection closed
				}}
				c := p.client(t)
				for range breaks - 1 {
					if _, err := c.CreatePayment(t.Context(), testOrder(), nil); err != nil {
						t.Fatal(err)
					}
				}
				_, err := c.CreatePayment(t.Context(), testOrder(), nil)
				if got := kind(err); got != "unanswered broken" {
					t.Errorf("%s: %v", got, err)
				}
				if n := p.requests.Load(); n != breaks {
					t.Errorf("%d requests arrived, want %d", n, breaks)
				}
			})
		})
	}
}

func TestSend_AResetIsADoubt(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	})
	_, err := c.CreatePayment(t.Context(), testOrder(), nil)
	if got := kind(err); got != "unanswered reset" {
		t.Errorf("%s: %v", got, err)
	}
	if n := len(g.received()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestSend_NothingIsSentWhenTheConnectionIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	g := &gateway{}
	c := g.client(t, "http://"+address)
	if _, err := c.CreatePayment(t.Context(), testOrder(), nil); kind(err) != "not sent" {
		t.Error(err)
	}
	if got := g.results(); len(got) != 1 || got[0] != "not_sent" {
		t.Error(got)
	}
}

func TestSend_NothingIsSentUnderAnUntrustedCertificate(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(says(createdBody()))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	c := (&gateway{}).client(t, s.URL)
	if _, err := c.CreatePayment(t.Context(), testOrder(), nil); kind(err) != "not sent" {
		t.Error(err)
	}
}

func TestSend_NothingIsSentToAWrongBaseURL(t *testing.T) {
	for _, base := range []string{"", "://", "gateway", "ftp://gateway"} {
		c := (&gateway{}).client(t, base)
		if _, err := c.CreatePayment(t.Context(), testOrder(), nil); kind(err) != "not sent" {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestSend_ASlowGatewayIsADoubtAfterTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{answer: func(_ int64, _ *http.Request, conn net.Conn) bool {
			time.Sleep(time.Minute)
			return write(conn, createdBody())
		}}
		c := p.client(t)
		start := time.Now()
		_, err := c.CreatePayment(t.Context(), testOrder(), nil)
		if got := kind(err); got != "unanswered timeout" || time.Since(start) != 10*time.Second {
			t.Errorf("%s after %s: %v", got, time.Since(start), err)
		}
		time.Sleep(time.Minute) // until the gateway has seen it
	})
}

func TestSend_NothingIsSentOverASlowConnectionAfterTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{dialing: time.Minute, answer: created}
		c := p.client(t)
		c.Timeout = 3 * time.Second
		_, err := c.CreatePayment(t.Context(), testOrder(), nil)
		if got := kind(err); got != "not sent" || p.bytes.Load() != 0 {
			t.Errorf("%s, %d bytes arrived: %v", got, p.bytes.Load(), err)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestSend_GivingUpWhileTheGatewayWorksIsADoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := &pipe{answer: func(_ int64, _ *http.Request, conn net.Conn) bool {
			cancel()
			synctest.Wait() // until the client has ended
			return write(conn, createdBody())
		}}
		_, err := p.client(t).CreatePayment(ctx, testOrder(), nil)
		if got := kind(err); got != "unanswered canceled" || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", got, err)
		}
	})
}

func TestSend_ACutAnswerIsADoubtAndItsBeginningIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{answer: func(_ int64, _ *http.Request, conn net.Conn) bool {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"respcd\"")
			return false
		}}
		_, err := p.client(t).CreatePayment(t.Context(), testOrder(), nil)
		u, ok := errors.AsType[*Unanswered](err)
		if !ok || u.Reason != "broken" || string(u.Body) != `{"respcd"` || u.HTTPStatus != 200 {
			t.Errorf("%+v", u)
		}
	})
}

func TestSend_AClientWithoutHTTPUsesTheSharedOne(t *testing.T) {
	g, _ := newGateway(t, says(createdBody()))
	c := &Client{Merchant: Merchant{BaseURL: g.URL + "/"}}
	defer sharedHTTP().CloseIdleConnections()
	if _, err := c.CreatePayment(t.Context(), testOrder(), nil); err != nil {
		t.Fatal(err)
	}
	if path := g.received()[0].path; path != "/trade/v1/payment" {
		t.Error(path)
	}
}
