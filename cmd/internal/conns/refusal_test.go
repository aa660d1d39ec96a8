package conns

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// aCertificate returns that of httptest, from files.
func aCertificate(t *testing.T) *Certificate {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pair := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind string, der []byte) string {
		name := filepath.Join(t.TempDir(), "pem")
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	c, err := LoadCertificate(write("CERTIFICATE", pair.Certificate[0]), write("PRIVATE KEY", key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serving is Serve until the test ends.
func serving(t *testing.T, certificate *Certificate, handler http.HandlerFunc) (addr string) {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, MaxHeaderBytes: 4 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, h, Bound(raw, h, Config{Limit: 64, Patience: time.Minute}), certificate, time.Minute)
	}()
	t.Cleanup(func() {
		if stop(); <-ended != nil {
			t.Error("Serve ended with an error")
		}
	})
	return raw.Addr().String()
}

// secured is a connection over TLS.
func secured(t *testing.T, addr string) net.Conn {
	t.Helper()
	return tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true})
}

// isRefusal reads a problem, after which the connection ends.
func isRefusal(t *testing.T, what string, from io.Reader, status int, detail string) {
	t.Helper()
	answers := bufio.NewReader(from)
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	text, err := io.ReadAll(res.Body)
	var p Problem
	if err != nil || json.Unmarshal(text, &p) != nil || res.StatusCode != status || p.Status != status || !strings.Contains(p.Detail, detail) ||
		res.Header.Get("Content-Type") != ProblemType || res.ContentLength != int64(len(text)) || !res.Close {
		t.Errorf("%s: %d, %v: %v %q, want a problem with %d", what, res.StatusCode, err, res.Header, text, status)
	}
	if rest, err := io.ReadAll(answers); len(rest) > 0 || err != nil {
		t.Errorf("%s: after it %q, %v", what, rest, err)
	}
}

// What net/http refuses by itself is a problem, over TLS as well.
func TestServe_RefusesWithAProblem(t *testing.T) {
	t.Parallel()
	yes := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "yes") }
	plain, secure := serving(t, nil, yes), serving(t, aCertificate(t), yes)
	for _, c := range []struct {
		request string
		status  int
		detail  string
	}{
		{"GET /%zz HTTP/1.1\r\nHost: x", 400, "path"},
		{"GET /\x01 HTTP/1.1\r\nHost: x", 400, ""},
		{"GET x HTTP/1.1\r\nHost: x", 400, ""},
		{"NONSENSE", 400, ""},
		{"GET / HTTP/1.1", 400, "missing required Host header"},
		{"GET / HTTP/1.1\r\nHost: x\r\nHost: y", 400, ""},
		{"GET / HTTP/1.1\r\nHost: <x>", 400, "malformed Host header"},
		{"GET / HTTP/1.1\r\nHost: x\r\nBad Header: x", 400, ""},
		{"GET / HTTP/1.1\r\nHost: x\r\nX: \x00", 400, ""},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: two", 400, ""},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2", 400, ""},
		{"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 16<<10), 431, "more than 4096 bytes"},
		{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip", 501, ""},
		{"GET / HTTP/9.9\r\nHost: x", 505, "unsupported protocol version"},
		{"GET / HTTP/1.1\r\nHost: x\r\nExpect: a-miracle", 417, ""},
		{"GET / HTTP/1.0\r\nExpect: a-miracle", 417, ""},
	} {
		for over, conn := range map[string]net.Conn{"plain HTTP": dial(t, plain), "TLS": secured(t, secure)} {
			go io.WriteString(conn, c.request+"\r\n\r\n")
			isRefusal(t, fmt.Sprintf("%.60q over %s", c.request, over), conn, c.status, c.detail)
		}
	}
}

// The same connection has had an answer of a handler before.
func TestServe_RefusesWithAProblemAfterAnswers(t *testing.T) {
	t.Parallel()
	yes := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "yes") }
	for over, conn := range map[string]net.Conn{
		"plain HTTP": dial(t, serving(t, nil, yes)), "TLS": secured(t, serving(t, aCertificate(t), yes)),
	} {
		go io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2)+"NONSENSE\r\n\r\n")
		answers := bufio.NewReader(conn)
		for range 2 {
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(over, err)
			}
			if text, err := io.ReadAll(res.Body); string(text) != "yes" || err != nil {
				t.Errorf("%s: %q, %v", over, text, err)
			}
		}
		isRefusal(t, over, answers, 400, "")
	}
}

func TestServe_TellsPlainHTTPThatThePortSpeaksHTTPS(t *testing.T) {
	t.Parallel()
	addr := serving(t, aCertificate(t), func(http.ResponseWriter, *http.Request) { t.Error("a handler was asked in plain HTTP") })
	const size = 8 << 20
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", "PATCH /%zz HTTP/1.0\r\n\r\n", "NONSENSE\r\n",
		fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)),
	} {
		conn := dial(t, addr)
		if _, err := io.WriteString(conn, request); err != nil { // before it reads
			t.Error(err)
		}
		isRefusal(t, fmt.Sprintf("%.20q", request), conn, 400, "HTTPS")
	}
}

// Many clients read only after they have sent everything.
func TestServe_RefusalIsReadAfterSendingEverything(t *testing.T) {
	t.Parallel()
	no := func(http.ResponseWriter, *http.Request) { t.Error("a handler was asked") }
	const size = 8 << 20
	for over, conn := range map[string]net.Conn{
		"plain HTTP": dial(t, serving(t, nil, no)), "TLS": secured(t, serving(t, aCertificate(t), no)),
	} {
		if _, err := fmt.Fprintf(conn, "POST /%%zz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)); err != nil {
			t.Errorf("%s: %v", over, err)
		}
		isRefusal(t, over, conn, 400, "path")
	}
}

// An answer may have any content, also where it is written in parts.
func TestServe_LeavesAnswersOfHandlersAlone(t *testing.T) {
	t.Parallel()
	const text = "HTTP/1.1 400 Bad Request: it was\r\n"
	write := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(2*len(text)))
		w.WriteHeader(http.StatusBadRequest)
		for range 2 {
			http.NewResponseController(w).Flush()
			io.WriteString(w, text)
		}
	}
	for over, conn := range map[string]net.Conn{
		"plain HTTP": dial(t, serving(t, nil, write)), "TLS": secured(t, serving(t, aCertificate(t), write)),
	} {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(over, err)
		}
		if got, err := io.ReadAll(res.Body); string(got) != text+text || err != nil {
			t.Errorf("%s: %q, %v", over, got, err)
		}
	}
}
