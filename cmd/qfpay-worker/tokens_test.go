package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/api"
	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

func TestToken_WeakOneIsRefused(t *testing.T) {
	for _, token := range []string{
		"", "short", "aaaaaaaaaaaaaaaa", "0000000000000001", "abababababababab", "0123456789abcdef", "abcdefghijklmnop",
		"passwordpassword", "9876543210fedcba", "secret42secret42secret42", "1122112211221122",
	} {
		if weak(token) == nil {
			t.Errorf("%q was taken", token)
		}
	}
	for range 1000 {
		b := make([]byte, 8)
		rand.Read(b)
		if token := fmt.Sprintf("%x", b); weak(token) != nil { // 16 random hexadecimal digits
			t.Logf("%q was refused", token)
		}
		b = make([]byte, 32)
		rand.Read(b)
		if token := fmt.Sprintf("%x", b); weak(token) != nil {
			t.Errorf("%q was refused", token)
		}
	}
	for _, token := range []string{apiToken, "7f3a9c0e1b5d8246", "dGhpcyBpcyBhIHRva2Vu"} {
		if err := weak(token); err != nil {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// namedTokens is a list of two callers.
func namedTokens(web, desk string) string {
	return fmt.Sprintf("- name: web-shop\n  sha256: %x\n  merchants: [default]\n- name: desk\n  sha256: %X\n  merchants: [\"*\"]\n  read: true\n",
		sha256.Sum256([]byte(web)), sha256.Sum256([]byte(desk)))
}

func TestTokens_EveryWrongEntryIsNamedAndNothingIsQuoted(t *testing.T) {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte("x")))
	for text, problem := range map[string]string{
		"": "must be a YAML list", "- ": "line 1", "x: y\n": "must be a YAML list", canary: "must be a YAML list",
		"- name: a\n  sha256: " + apiToken + "\n  merchants: [m]\n":                                                "line 1: sha256: must be the 64",
		namedTokens("a", "b") + "---\n" + namedTokens("c", "d"):                                                    "must be a YAML list",
		"- name: a\n  token: " + apiToken + "\n  merchants: [m]\n":                                                 "line 1: not valid: known are name",
		"- name: a\n  sha256: " + fmt.Sprintf("%x", sha256.Sum256(nil)) + "\n  merchants: [m]\n":                   "of an empty token",
		"- name: a\n  sha256: " + hash + "\n":                                                                      "merchants: required",
		"- name: a\n  sha256: " + hash + "\n  merchants: []\n":                                                     "merchants: required",
		"- name: a\n  sha256: " + hash + "\n  merchants: [\"a b\"]\n":                                              "merchants: required",
		"- name: a b\n  sha256: " + hash + "\n  merchants: [m]\n":                                                  "name: must be",
		"- name: a\n  sha256: " + hash + "\n  merchants: [m]\n- name: b\n  sha256: " + hash + "\n  merchants: [m]": "line 4: its name or its token",
	} {
		_, wrong := settings(t, oneMerchant("WORKER_API_ADDR=127.0.0.1:0", "WORKER_API_TOKENS_FILE="+file(t, "tokens.yaml", text)))
		if len(wrong) != 1 || wrong[0].Variable != "WORKER_API_TOKENS_FILE" || !strings.Contains(wrong[0].Problem, problem) || strings.Contains(wrong.Error(), canary) {
			t.Errorf("%q: %v, want %s", text, wrong, problem)
		}
	}
	_, wrong := settings(t, oneMerchant("WORKER_API_ADDR=127.0.0.1:0", "WORKER_API_TOKENS_FILE=/nowhere", "WORKER_API_TOKEN_FILE=/nowhere"))
	if len(wrong) != 1 || !strings.Contains(wrong[0].Problem, "only one of them") {
		t.Error(wrong)
	}
}

// Each caller may do what its entry says; a change of the file is in effect without a restart, and
// one that is not valid changes nothing.
func TestTokens_AreReadAgainWhenTheyChange(t *testing.T) {
	t.Parallel()
	path := file(t, "tokens.yaml", namedTokens("web-token", "desk-token"))
	s, wrong := settings(t, oneMerchant("WORKER_API_ADDR=127.0.0.1:0", "WORKER_API_TOKENS_FILE="+path))
	if wrong != nil {
		t.Fatal(wrong)
	}
	var book lockedBuffer
	log := slog.New(slog.NewTextHandler(&book, nil))
	rdb := redistest.Start(t).Client(t)
	keys := tasks.Keys{Prefix: tasks.DefaultPrefix}
	server := serveHTTP(t, api.New(api.Config{Callers: s.API.Callers.Callers, Logger: log,
		Producer: tasks.NewProducer(rdb, keys), Inspector: inspect.New(rdb, keys), Batches: batches.New(rdb, keys)}))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.API.Callers.follow(ctx, 5*time.Millisecond, log); close(ended) }()
	defer func() { stop(); <-ended }()

	ask := func(token, merchant string) (post, read int) {
		for method, status := range map[string]*int{"POST": &post, "GET": &read} {
			url, body := server+"/v1/orders", `{"merchant":"`+merchant+`","out_trade_no":"A1","pay_type":"801501","txamt":1,"txcurrcd":"HKD"}`
			if method == "GET" {
				url, body = url+"/"+merchant+"/A1", ""
			}
			req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			req.Header.Set("Content-Type", "application/json")
			req.Close = true
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			*status = res.StatusCode
		}
		return post, read
	}
	check := func(token, merchant string, wantPost, wantRead int) {
		t.Helper()
		if post, read := ask(token, merchant); post != wantPost || (read != wantRead && !(wantRead == 200 && read == 404)) {
			t.Errorf("%s for %s: %d, %d, want %d, %d", token, merchant, post, read, wantPost, wantRead)
		}
	}
	check("web-token", "default", 202, 403)
	check("web-token", "hotel", 403, 403)
	check("desk-token", "hotel", 202, 200)
	check("new-token", "default", 401, 401)
	if !strings.Contains(book.String(), "caller=web-shop merchant=default out_trade_no=A1") {
		t.Errorf("the order's log line does not name its caller:\n%s", book.String())
	}

	replace(t, path, "- name: broken\n")
	eventually(t, "the broken file is noticed", func() bool { return strings.Contains(book.String(), "previous ones stay in effect") })
	check("web-token", "default", 202, 403)
	replace(t, path, namedTokens("new-token", "desk-token"))
	eventually(t, "the new file is read", func() bool { return strings.Contains(book.String(), "read again") })
	check("web-token", "default", 401, 401)
	check("new-token", "default", 202, 403)
	for _, secret := range []string{"web-token", "desk-token", "new-token"} {
		if bytes.Contains([]byte(book.String()), []byte(secret)) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

// replace replaces a file, as an editor or Kubernetes does.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
