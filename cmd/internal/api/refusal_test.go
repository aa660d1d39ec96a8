package api

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
)

// atOnce is the longest time for an answer that waits for nothing, on a busy machine.
const atOnce = 5 * time.Second

// openUpload sends the head of a request, and a little of its body.
func openUpload(t *testing.T, addr, head string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "%s\r\nHost: x\r\n\r\n%s", head, strings.Repeat("x", 64))
	return conn, bufio.NewReader(conn)
}

// isProblem reads an answer, which must be a problem with a status.
func isProblem(t *testing.T, from *bufio.Reader, want int) problem {
	t.Helper()
	res, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatalf("%v, want %d", err, want)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	var p problem
	if err != nil || json.Unmarshal(text, &p) != nil || res.StatusCode != want || p.Status != want || p.Detail == "" ||
		res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d, %v: %s %s, want a problem with %d", res.StatusCode, err, res.Header, text, want)
	}
	return p
}

// A client that is still sending hears a refusal at once, and a stranger's connection ends soon.
func TestRefusal_ArrivesWhileTheBodyIsOnItsWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	addr, _ := r.serving(nil, time.Second, func(c *Config) { c.Patience = 2 * time.Second })
	full, _ := r.serving(nil, time.Second, func(c *Config) { c.Requests = 1 })
	auth := "\r\nAuthorization: Bearer " + token
	for _, c := range []struct {
		what, addr, head string
		status           int
	}{
		{"no token", addr, "POST /v1/orders HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked", 401},
		{"no token, a length", addr, "POST /v1/orders HTTP/1.1\r\nContent-Length: 1000", 401},
		{"wrong token", addr, "POST /v1/orders HTTP/1.1\r\nAuthorization: Bearer x\r\nContent-Length: 1000", 401},
		{"two tokens", addr, "POST /v1/orders HTTP/1.1" + auth + auth + "\r\nContent-Length: 1000", 400},
		{"another type", addr, "POST /v1/orders HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 1000" + auth, 415},
		{"too long", addr, "POST /v1/orders HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100000" + auth, 413},
		{"unknown path", addr, "POST /v1/x HTTP/1.1\r\nContent-Length: 1000", 404},
		{"wrong method", addr, "PUT /v1/orders HTTP/1.1\r\nContent-Length: 1000", 405},
		{"too many", full, "POST /v1/orders HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1000" + auth, 429},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			if c.addr == full {
				inFlight(t, full, anOrder("A1"))
			}
			began := time.Now()
			_, answers := openUpload(t, c.addr, c.head)
			isProblem(t, answers, c.status)
			if took := time.Since(began); took > atOnce {
				t.Errorf("the answer came after %s", took)
			}
			if strings.Contains(c.head, auth) {
				return
			}
			io.Copy(io.Discard, answers) // until the connection is closed
			if held := time.Since(began); held > 2*time.Second+atOnce {
				t.Errorf("a stranger held the connection for %s", held)
			}
		})
	}
}

// Many clients read only after they have sent everything.
func TestRefusal_IsReadAfterSendingEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	addr, _ := r.serving(nil, time.Second)
	const size = 8 << 20
	for _, length := range []string{fmt.Sprint("Content-Length: ", size), "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%s\r\n\r\n", token, length)
		body := strings.Repeat(" ", size)
		if strings.HasPrefix(length, "T") {
			body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body)
		}
		if _, err := io.WriteString(conn, body); err != nil {
			t.Fatal(err)
		}
		p := isProblem(t, bufio.NewReader(conn), http.StatusRequestEntityTooLarge)
		if !strings.Contains(p.Detail, "65536 bytes") || !strings.Contains(p.Detail, "application/x-ndjson") {
			t.Error(p.Detail)
		}
	}
}

// What reaches no route is a problem too, over TLS as well, and what is no request at all.
func TestRefusal_OfWhatHasNoRouteIsAProblem(t *testing.T) {
	t.Parallel()
	r, f := newRig(t), newFiles(t)
	f.issue(t, "localhost")
	certificate, err := conns.LoadCertificate(f.cert, f.key)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := r.serving(nil, time.Second)
	secure, _ := r.serving(certificate, time.Second)
	for head, status := range map[string]int{
		"GET /v1/orders/%zz/A1 HTTP/1.1":                  400,
		"GET / HTTP/1.1\r\nBad Header: x":                 400,
		"GET /v1/orders/a%2Fb/..%2f HTTP/1.1":             404,
		"DELETE /v1/openapi.json HTTP/1.1":                405,
		"CONNECT h:1 HTTP/1.1":                            404,
		"OPTIONS * HTTP/1.1":                              404,
		"PRI * HTTP/2.0":                                  404,
		"GET /v1/orders HTTP/1.0":                         405,
		"GET /v1/orders/default/%FF%FE HTTP/1.1":          401,
		"GET //v1/openapi.json HTTP/1.1":                  404,
		"GET /v1/results?after=%zz HTTP/1.1":              401,
		"GET /v1/../v1/orders/default/A1/qr.png HTTP/1.1": 404,
	} {
		for _, c := range []struct {
			addr   string
			secret bool
		}{{plain, false}, {secure, true}} {
			conn, err := net.Dial("tcp", c.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if c.secret {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			}
			fmt.Fprintf(conn, "%s\r\nHost: x\r\n\r\n", head)
			isProblem(t, bufio.NewReader(conn), status)
		}
	}
}

func TestRefusal_OfMeaninglessDifferencesDoesNotHappen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, c := range []struct{ name, value, before string }{
		{"Content-Type", "application/json; charset=utf8", ""},
		{"Content-Type", `Application/JSON; Charset="UTF-8"`, ""},
		{"Content-Type", "application/json;charset=US-ASCII", ""},
		{"Content-Type", "application/json; charset=ascii", ""},
		{"Content-Type", "application/json;", ""},
		{"Content-Encoding", "Identity", ""},
		{"Authorization", "Bearer  " + token, ""},
		{"Authorization", "BEARER   " + token + "  ", ""},
		{"X", "", "\uFEFF"},
	} {
		req := r.request(http.MethodPost, "/v1/orders", oneOrder, strings.NewReader(c.before+anOrder(fmt.Sprint("A", i))))
		req.Header.Set(c.name, c.value)
		if got := r.do(req); got.status != http.StatusAccepted {
			t.Errorf("%s: %q: %+v", c.name, c.value, got)
		}
	}
	for _, encoding := range []string{"gzip", "GZIP", "identity, br"} {
		req := r.request(http.MethodPost, "/v1/orders", oneOrder, strings.NewReader(anOrder("B")))
		req.Header.Set("Content-Encoding", encoding)
		if got := r.do(req); got.status != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %+v", encoding, got)
		}
	}
}

func TestRefusal_NamesAFullRedis(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.redis.Do(t, "config", "set", "maxmemory", "1")
	got := r.post(anOrder("A1"))
	if p := into[problem](t, got.body); got.status != http.StatusServiceUnavailable || !strings.HasPrefix(p.Detail, "Redis is full") {
		t.Errorf("%+v", got)
	}
}

// A flood of strangers neither fills the log nor keeps callers away.
func TestRefusal_OfAFloodLeavesRoomForCallers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	addr, _ := r.serving(nil, time.Second, func(c *Config) { c.Connections = 24 })
	kept := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer kept.CloseIdleConnections()
	order := func(client *http.Client, id string) {
		req := r.request(http.MethodPost, "/v1/orders", oneOrder, strings.NewReader(anOrder(id)))
		req.URL.Host = addr
		res, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(io.Discard, res.Body)
		if res.Body.Close(); res.StatusCode != http.StatusAccepted {
			t.Error(res.Status)
		}
	}
	order(kept, "KEPT")
	for i := range 500 {
		conn, answers := openUpload(t, addr, "POST /v1/orders HTTP/1.1\r\nContent-Length: 1000")
		if i%100 == 99 {
			isProblem(t, answers, http.StatusUnauthorized)
			conn.Close()
			order(kept, fmt.Sprint("KEPT-", i))
			order(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, fmt.Sprint("NEW-", i))
		}
	}
	r.until("the refusals are counted", func() bool { return strings.Count(r.log.String(), `msg="requests refused"`) > 0 })
	if n := strings.Count(r.log.String(), "requests refused"); n > 20 {
		t.Errorf("%d log lines for the refusals:\n%s", n, r.log)
	}
}
