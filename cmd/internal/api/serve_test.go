package api

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// files are a certificate and its key.
type files struct{ cert, key string }

func newFiles(t *testing.T) files {
	dir := t.TempDir()
	return files{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// issue writes a new certificate for a name into the files.
func (f files) issue(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, f.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	f.write(t, f.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// write replaces a file like a certificate renewal, and sets a new modification time, because two
// certificates within one tick of the clock could not be distinguished.
func (f files) write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(time.Duration(written.Add(1)) * time.Hour)
	if err := os.Chtimes(name+".new", at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

var written atomic.Int64

// serving is Serve on a port until stop is called, which returns its error.
func (r *rig) serving(certificate *conns.Certificate, grace time.Duration, change ...func(*Config)) (addr string, stop func() error) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	c := Config{
		Producer: tasks.NewProducer(r.rdb, keys), Inspector: inspect.New(r.rdb, keys), Batches: batches.New(r.rdb, keys), Callers: r.callers,
		Logger: slog.New(slog.NewTextHandler(r.log, nil)), Patience: time.Minute, // on a busy machine, a second is short
	}
	for _, f := range change {
		f(&c)
	}
	go func() { ended <- Serve(ctx, l, certificate, grace, c) }()
	var result error
	done := false
	stop = func() error {
		if cancel(); !done {
			result, done = <-ended, true
		}
		return result
	}
	r.t.Cleanup(func() { stop() })
	return l.Addr().String(), stop
}

// name returns the name in the certificate that is served at an address.
func nameShown(t *testing.T, addr string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificate_IsRenewedWithoutARestart(t *testing.T) {
	t.Parallel()
	r, f := newRig(t), newFiles(t)
	f.issue(t, "first")
	certificate, err := conns.LoadCertificate(f.cert, f.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate.LogTo(slog.New(slog.NewTextHandler(r.log, nil)))
	addr, stop := r.serving(certificate, time.Second)
	names := []string{nameShown(t, addr)}
	f.issue(t, "second")
	names = append(names, nameShown(t, addr))
	os.Remove(f.key)
	names = append(names, nameShown(t, addr), nameShown(t, addr))
	f.write(t, f.key, []byte("no key"))
	names = append(names, nameShown(t, addr))
	os.Remove(f.cert)
	if err := syscall.Mkfifo(f.cert, 0o600); err != nil { // nobody writes into it
		t.Fatal(err)
	}
	names = append(names, nameShown(t, addr))
	os.Remove(f.cert)
	f.issue(t, "third")
	names = append(names, nameShown(t, addr))
	if diff := cmp.Diff([]string{"first", "second", "second", "second", "second", "second", "third"}, names); diff != "" {
		t.Error(diff)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(r.log.String(), "the old one stays in use"); n != 3 {
		t.Errorf("%d complaints, want one for each trouble:\n%s", n, r.log)
	}
	if _, err := conns.LoadCertificate(f.cert, f.cert); err == nil {
		t.Error("a certificate was taken for its key")
	}
}

// A client that would rather have HTTP/2 gets HTTP/1.1, and an upload works the same way.
func TestUpload_GoesOverTLS(t *testing.T) {
	t.Parallel()
	r, f := newRig(t), newFiles(t)
	f.issue(t, "localhost")
	certificate, err := conns.LoadCertificate(f.cert, f.key)
	if err != nil {
		t.Fatal(err)
	}
	addr, stop := r.serving(certificate, 5*time.Second)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	body, w := io.Pipe()
	req := r.request(http.MethodPost, "/v1/orders", manyOrders, body)
	req.URL.Scheme, req.URL.Host, req.Host = "https", addr, addr
	go io.WriteString(w, anOrder("A1")+"\n")
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	u := &uploading{t: t, body: w, answers: bufio.NewReader(res.Body)}
	if got := u.next(); got != "1 enqueued default:A1" || res.ProtoMajor != 1 {
		t.Errorf("%s over %s", got, res.Proto)
	}
	io.WriteString(w, anOrder("A2")+"\n")
	if got := u.next(); got != "2 enqueued default:A2" {
		t.Error(got)
	}
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	if got := u.next(); got != "3 503: this worker is shutting down; nothing was read from this line on: send it again" {
		t.Error(got)
	}
	w.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// inFlight sends an order without its body, and returns when the API waits for the body.
func inFlight(t *testing.T, addr, order string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", token, len(order))
	answers := bufio.NewReader(conn)
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := answers.ReadString('\n'); line != want {
			t.Fatal(line, err)
		}
	}
	return conn, answers
}

func TestServe_FinishesRequestsInFlightAndAcceptsNoneAtTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	addr, stop := r.serving(nil, 10*time.Second)
	conn, answers := inFlight(t, addr, anOrder("A1"))
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	r.until("no connection is accepted", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	io.WriteString(conn, anOrder("A1"))
	res, err := http.ReadResponse(answers, nil)
	if err != nil || res.StatusCode != http.StatusAccepted {
		t.Errorf("the order in flight: %+v, %v", res, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServe_CutsOffARequestThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	addr, stop := r.serving(nil, 50*time.Millisecond)
	_, answers := inFlight(t, addr, anOrder("A1"))
	if err := stop(); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(answers); len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestServe_ReturnsAnErrorOnAClosedListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(t.Context(), l, nil, time.Second, Config{Callers: NewCallers(OneCaller(token))}); err == nil {
		t.Error("it served on a closed listener")
	}
}
