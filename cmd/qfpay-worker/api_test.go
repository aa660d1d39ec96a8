package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// apiToken is a token of sufficient length.
const apiToken = canary + "-0123456789"

// pair writes a certificate and its key.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		file(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func TestAPI_IsOffUnlessItHasAnAddress(t *testing.T) {
	s, wrong := settings(t, oneMerchant("WORKER_API_TOKEN_FILE=/nowhere", "WORKER_API_CERT_FILE=/nowhere"))
	if wrong != nil || s.API != (APISettings{}) {
		t.Errorf("%+v, %v", s.API, wrong)
	}
}

func TestAPI_HasAFlagOfItsOwnName(t *testing.T) {
	token := file(t, "token", " "+apiToken+"\n")
	for _, flags := range [][]string{
		{"--api=127.0.0.1:9465", "--worker-api-token-file=" + token},
		{"--api", "127.0.0.1:9465", "--worker-api-token-file", token},
		{"--worker-api-addr=127.0.0.1:9465", "--worker-api-token-file=" + token},
	} {
		s, wrong := settings(t, oneMerchant(), flags...)
		if wrong != nil || s.API.Addr != "127.0.0.1:9465" || s.API.Callers == nil {
			t.Errorf("%q: %+v, %v", flags, s.API, wrong)
		}
	}
}

func TestAPI_NeedsTLSAtAnAddressThatOthersReach(t *testing.T) {
	cert, key := pair(t)
	token := "--worker-api-token-file=" + file(t, "token", apiToken)
	for addr, alone := range map[string]bool{
		"127.0.0.1:9465": true, "localhost:0": true, "[::1]:9465": true, "127.9.9.9:1": true,
		":9465": false, "0.0.0.0:9465": false, "[::]:9465": false, "10.0.0.1:9465": false, "localhost.example.com:1": false,
	} {
		_, wrong := settings(t, oneMerchant(), "--api="+addr, token)
		if alone != (wrong == nil) || !alone && (wrong[0].Variable != "WORKER_API_ADDR" || !strings.Contains(wrong[0].Problem, "WORKER_API_CERT_FILE")) {
			t.Errorf("%s: %v", addr, wrong)
		}
		s, wrong := settings(t, oneMerchant(), "--api="+addr, token, "--worker-api-cert-file="+cert, "--worker-api-key-file="+key)
		if wrong != nil || s.API.Certificate == nil {
			t.Errorf("%s with TLS: %v", addr, wrong)
		}
	}
}

func TestAPI_EveryWrongSettingIsNamed(t *testing.T) {
	cert, key := pair(t)
	_, otherKey := pair(t)
	token := file(t, "token", apiToken)
	for _, c := range []struct{ set, variable, problem string }{
		{"token=/nowhere", "WORKER_API_TOKEN_FILE", "/nowhere cannot be read"},
		{"token=" + file(t, "short", canary), "WORKER_API_TOKEN_FILE", "has 12 characters, but needs at least 16"},
		{"token=" + file(t, "two", apiToken+"\n"+apiToken), "WORKER_API_TOKEN_FILE", "on one line"},
		{"token=" + file(t, "as", strings.Repeat("a", 16)), "WORKER_API_TOKEN_FILE", "easy to guess"},
		{"cert=" + cert, "WORKER_API_KEY_FILE", "required with WORKER_API_CERT_FILE"},
		{"key=" + key, "WORKER_API_CERT_FILE", "required with WORKER_API_KEY_FILE"},
		{"cert=" + cert + " key=/nowhere", "WORKER_API_KEY_FILE", "/nowhere cannot be read"},
		{"cert=" + cert + " key=" + otherKey, "WORKER_API_CERT_FILE", "private key does not match"},
		{"cert=" + token + " key=" + key, "WORKER_API_CERT_FILE", "failed to find any PEM data"},
	} {
		flags := []string{"--api=127.0.0.1:0", "--worker-api-token-file=" + token}
		for f := range strings.FieldsSeq(c.set) {
			flags = append(flags, "--worker-api-"+strings.Replace(f, "=", "-file=", 1))
		}
		_, wrong := settings(t, oneMerchant(), flags...)
		if len(wrong) != 1 || wrong[0].Variable != c.variable || !strings.Contains(wrong[0].Problem, c.problem) {
			t.Errorf("%s: %v, want %s: …%s…", c.set, wrong, c.variable, c.problem)
		}
		if wrong != nil && strings.Contains(wrong.Error(), canary) {
			t.Errorf("%s: a secret is shown: %v", c.set, wrong)
		}
	}
}

// taking matches the log line that names the API's address.
var taking = regexp.MustCompile(`"taking orders over HTTP","addr":"([^"]+)"`)

// The whole path: an order goes in over TLS, a worker creates its QR code, and the picture
// comes back. Then the command ends with exit code 0.
func TestAPI_OrderComesOverHTTPAndItsQRCodeGoesBack(t *testing.T) {
	t.Parallel()
	gateway := simulator.New(simulator.Config{})
	server := serveHTTP(t, gateway)
	cert, key := pair(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, log lockedBuffer
	ended := make(chan int, 1)
	env := []string{
		"REDIS_URL=" + redistest.Start(t).URL, "QFPAY_BASE_URL=" + server, "QFPAY_APP_CODE=" + simulator.SampleAppCode,
		"QFPAY_CLIENT_KEY=" + simulator.SampleKey, "WORKER_HTTP_ADDR=127.0.0.1:0", "LOG_FORMAT=json",
		"WORKER_API_TOKEN_FILE=" + file(t, "token", apiToken), "WORKER_API_CERT_FILE=" + cert, "WORKER_API_KEY_FILE=" + key,
	}
	go func() {
		ended <- run(ctx, []string{"run", "--api", "127.0.0.1:0"}, env, stdio{in: strings.NewReader(""), out: &out, err: &log})
	}()
	var addr string
	eventually(t, "the API is served", func() bool {
		if m := taking.FindStringSubmatch(log.String()); m != nil {
			addr = m[1]
		}
		return addr != ""
	})

	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	call := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+apiToken)
		req.Header.Set("Content-Type", "application/json")
		res, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	if status, text := call("POST", "/v1/orders", `{"out_trade_no":"A1","pay_type":"801501","txamt":2500,"txcurrcd":"HKD","lane":"interactive"}`); status != http.StatusAccepted {
		t.Fatal(status, text)
	}
	eventually(t, "there is a QR code", func() bool {
		status, text := call("GET", "/v1/orders/default/A1/qr.png", "")
		return status == http.StatusOK && strings.HasPrefix(text, "\x89PNG")
	})
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d\n%s", code, log.String())
	}
	for what, secret := range map[string]string{"token": apiToken, "key": simulator.SampleKey, "QR code": gateway.Orders()[0].QRCode} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the %s is in the log", what)
		}
	}
}

// If the address is not available, the command ends before it takes any order.
func TestAPI_EndsTheCommandWhenItCannotBeServed(t *testing.T) {
	t.Parallel()
	taken := serveHTTP(t, http.NotFoundHandler())
	got := command(t, append(oneMerchant(), "REDIS_URL="+redistest.Start(t).URL, "WORKER_API_TOKEN_FILE="+file(t, "token", apiToken)),
		"run", "--api", strings.TrimPrefix(taken, "http://"))
	if got.code != exitOutside || !strings.Contains(got.err, "WORKER_API_ADDR: listen tcp") {
		t.Errorf("%d %s", got.code, got.err)
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(fmt.Sprint("timed out: ", what))
		}
	}
}

// serveHTTP serves a handler until the test ends, and returns its address.
func serveHTTP(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}
