package qfpay

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
)

func packed(t *testing.T, body string, pack func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	w := pack(&b)
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gzipped(t *testing.T, body string) string {
	return packed(t, body, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

// Boxes on the way compress although "identity" was asked for: nginx's gzip_static and Akamai are
// known for it, and IIS sends deflate without the header of zlib. What comes whole is read.
func TestTransfer_EveryFormIsReadOrADoubt(t *testing.T) {
	t.Parallel()
	deflated := packed(t, createdBody(), func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	raw := packed(t, createdBody(), func(w io.Writer) io.WriteCloser {
		f, err := flate.NewWriter(w, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
	for _, row := range []struct{ why, encoding, body, want string }{
		{"gzip", "gzip", gzipped(t, createdBody()), "ok"},
		{"gzip that does not say so", "", gzipped(t, createdBody()), "ok"},
		{"gzip by its old name", "x-gzip", gzipped(t, createdBody()), "ok"},
		{"gzip, and a byte order mark", "gzip", gzipped(t, "\ufeff"+createdBody()), "ok"},
		{"deflate", "deflate", deflated, "ok"},
		{"deflate without a header", "deflate", raw, "ok"},
		{"not compressed, though it says so", "gzip", createdBody(), "ok"},
		{"not compressed, though it says deflate", "deflate", createdBody(), "ok"},
		{"an encoding that is none", "utf-8", createdBody(), "ok"},
		{"gzip cut short", "gzip", gzipped(t, createdBody())[:150], "unanswered bad_answer"},
		{"gzip that swells", "gzip", gzipped(t, createdBody()+strings.Repeat(" ", 1<<20)), "unanswered bad_answer"},
		{"an encoding that nobody can read here", "br", "\x8b\x01\x80", "unanswered bad_answer"},
		{"a page of a firewall", "", "<html>The requested URL was rejected.</html>", "unanswered bad_answer"},
	} {
		t.Run(row.why, func(t *testing.T) {
			_, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
				if row.encoding != "" {
					w.Header().Set("Content-Encoding", row.encoding)
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, row.body)
			})
			if _, err := c.CreatePayment(t.Context(), testOrder(), nil); kind(err) != row.want {
				t.Errorf("%v, want %s", err, row.want)
			}
		})
	}
}

// Headers of any length use up no memory.
func TestTransfer_HeadersHaveABound(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]string{32 << 10: "ok", 4 << 20: "unanswered broken"} {
		_, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", size))
			_, _ = io.WriteString(w, createdBody())
		})
		if _, err := c.CreatePayment(t.Context(), testOrder(), nil); kind(err) != want {
			t.Errorf("%d bytes: %v, want %s", size, err, want)
		}
	}
}

// The backend signs what it wrote; a box on the way compresses it afterwards.
func TestTransfer_ACompressedAnswerKeepsItsSignature(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-QF-SIGN", MD5.SignText([]byte(createdBody()), testKey))
		_, _ = io.WriteString(w, gzipped(t, createdBody()))
	})
	c.Verify = VerifyAlways
	if p, err := c.CreatePayment(t.Context(), testOrder(), nil); err != nil || p.Signature != SignatureRight {
		t.Errorf("%+v, %v", p, err)
	}
}

// A query about an unknown order may come with 404: REST frameworks map "not found" so.
func TestTransfer_ANotFoundOfQFPayIsOneWithAnyStatus(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		status int
		body   string
		want   string
	}{
		{404, `{"respcd":"1136"}`, "ok"},
		{400, `{"respcd":"1268"}`, "ok"},
		{404, `<html>`, "unanswered http_404"},
		{404, rows(), "unanswered http_404"}, // an empty list, but the status denies it
		{502, `{"respcd":"1136"}`, "unanswered http_502"},
		{200, "<html>", "unanswered bad_answer"},
	} {
		_, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(row.status)
			_, _ = io.WriteString(w, row.body)
		})
		if _, err := c.Query(t.Context(), []string{"ORD_0001"}, march); kind(err) != row.want {
			t.Errorf("%d %s: %v, want %s", row.status, row.body, err, row.want)
		}
	}
}

func TestTransfer_TheErrorShowsWhereARedirectLeadsAndHowABodyBegins(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://login.portal.example/?from=qfpay")
		w.Header().Set("Retry-After", "Sun, 01 Mar 2026 00:00:40 GMT")
		w.Header().Set("Date", "Sun, 01 Mar 2026 00:00:00 GMT")
		w.WriteHeader(303)
		_, _ = io.WriteString(w, "<html>\n<h1>Sign in</h1>")
	})
	_, err := c.CreatePayment(t.Context(), testOrder(), nil)
	for _, part := range []string{"HTTP 303", "https://login.portal.example/?from=qfpay", "<h1>Sign in</h1>"} {
		if !strings.Contains(err.Error(), part) || !strings.Contains(AnswerOf(err).String(), part) {
			t.Errorf("%q is not in %q or in %q", part, err, AnswerOf(err))
		}
	}
	if u, ok := errors.AsType[*Unanswered](err); !ok || u.RetryAfter.Seconds() != 40 {
		t.Errorf("%+v", u)
	}
}

// A load balancer that restarts closes all its idle connections at once. The call after the one
// that has met a broken one gets a new one.
func TestSend_ACallAfterABrokenConnectionTakesAFreshOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		arrived := make(chan struct{})
		p := &pipe{}
		p.answer = func(n int64, _ *http.Request, conn net.Conn) bool {
			switch n {
			case 1, 2: // two connections, both kept
				if n == 2 {
					close(arrived)
				}
				<-arrived
				return write(conn, createdBody())
			case 3:
				return false // read whole, and the connection closed
			}
			return write(conn, createdBody())
		}
		c := p.client(t)
		done := make(chan error)
		for range 2 {
			go func() {
				_, err := c.CreatePayment(t.Context(), testOrder(), nil)
				done <- err
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.CreatePayment(t.Context(), testOrder(), nil); kind(err) != "unanswered broken" {
			t.Fatal(err)
		}
		before := p.dials.Load()
		if _, err := c.CreatePayment(t.Context(), testOrder(), nil); err != nil || before != 2 || p.dials.Load() != 3 {
			t.Errorf("%v; %d connections, then %d", err, before, p.dials.Load())
		}
	})
}

// RFC 9110, 7.3.2 and RFC 1929: what a proxy refuses has not left, and its password is in no error.
func TestHTTPClient_AProxyIsUsedAndItsPasswordNotShown(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(createdBody()))
	var saw []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		saw = append(saw, user+":"+password+" "+r.Host)
		if len(saw) > 1 {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		_, _ = io.WriteString(w, createdBody())
	}))
	t.Cleanup(proxy.Close)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	at.User = url.User("shop")
	c.HTTP = NewHTTPClientVia(at, "pass-word")
	t.Cleanup(c.HTTP.CloseIdleConnections)
	if _, err := c.CreatePayment(t.Context(), testOrder(), nil); err != nil {
		t.Fatal(err)
	}
	if want := "shop:pass-word " + strings.TrimPrefix(g.URL, "http://"); len(g.received()) != 0 || saw[0] != want {
		t.Errorf("%d past the proxy; %v, want %s", len(g.received()), saw, want)
	}
	_, err = c.CreatePayment(t.Context(), testOrder(), nil)
	if kind(err) != "unanswered http_other" || strings.Contains(err.Error(), "pass-word") {
		t.Error(err)
	}
	c.Merchant.BaseURL = "https://gateway.example" // the proxy is asked for a tunnel, and refuses
	if _, err = c.CreatePayment(t.Context(), testOrder(), nil); kind(err) != "not sent" || strings.Contains(err.Error(), "pass-word") {
		t.Error(err)
	}
}
