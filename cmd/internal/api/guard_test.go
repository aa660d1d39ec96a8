package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestAPI_ServesOnlyCallersWithTheToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, c := range []struct {
		given, challenge string // none: served
	}{
		{"Bearer " + token, ""},
		{"bearer " + token, ""}, // the scheme's case does not matter
		{"", `Bearer realm="qfpay-worker"`},
		{"Bearer", `Bearer realm="qfpay-worker", error="invalid_token"`},
		{"Bearer ", `Bearer realm="qfpay-worker", error="invalid_token"`},
		{"Bearer " + token + "x", `Bearer realm="qfpay-worker", error="invalid_token"`},
		{"Bearer " + token[1:], `Bearer realm="qfpay-worker", error="invalid_token"`},
		{"Bearer " + strings.ToLower(token), `Bearer realm="qfpay-worker", error="invalid_token"`},
		{"Basic " + token, `Bearer realm="qfpay-worker", error="invalid_token"`},
		{token, `Bearer realm="qfpay-worker", error="invalid_token"`},
	} {
		req := r.request(http.MethodPost, "/v1/orders", oneOrder, strings.NewReader(anOrder("A1")))
		req.Header.Del("Authorization")
		if c.given != "" {
			req.Header.Set("Authorization", c.given)
		}
		got := r.do(req)
		if served := got.status == http.StatusAccepted; served != (c.challenge == "") || got.header.Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%q: %d, %q, want %q", c.given, got.status, got.header.Get("WWW-Authenticate"), c.challenge)
		}
		if strings.Contains(got.body, token) {
			t.Errorf("%q: the token is in the answer", c.given)
		}
	}
}

func TestAPI_RefusesPathsAndMethodsThatAreNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/v1/orders/", 404, ""},
		{"GET", "/v1//orders", 404, ""}, // and not a redirect
		{"POST", "//v1/orders", 404, ""},
		{"GET", "/v1/orders/../orders", 404, ""},
		{"GET", "/v1/orders/default", 404, ""},
		{"GET", "/v1/orders/default/A1/qr.gif", 404, ""},
		{"GET", "/v1/orders", 405, "POST"},
		{"PUT", "/v1/orders/default/A1", 405, "GET, HEAD, DELETE"},
		{"DELETE", "/v1/orders/default/A1/qr.png", 405, "GET, HEAD"},
		{"POST", "/v1/openapi.json", 405, "GET, HEAD"},
		{"PROPFINDANDMORE", "/v1/orders", 405, "POST"},
		{"HEAD", "/v1/openapi.json", 200, ""},
	} {
		got := r.do(r.request(c.method, c.path, "", nil))
		if got.status != c.status || got.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q, want %d, %q", c.method, c.path, got.status, got.header.Get("Allow"), c.status, c.allow)
		}
	}
}

func TestAPI_TurnsAwayARequestTooManyUnread(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Uploads = 1 })
	done := r.occupy()
	if got := r.lines(strings.NewReader(anOrder("A1"))); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" {
		t.Errorf("a second upload: %+v", got)
	}
	if got := r.post(anOrder("A1")); got.status != http.StatusAccepted {
		t.Errorf("one order beside an upload: %+v", got)
	}
	done()
	r.until("the place is given back", func() bool { return r.lines(strings.NewReader("")).status == http.StatusOK })
	if strings.Contains(r.get("/v1/orders/default/A1").body, "duplicate") {
		t.Error("the order that was turned away was taken")
	}
}

// The log of a request has only its route, its order and its result.
func TestAPI_LogsOneLineOfARequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post(anOrder("A1"))
	r.get("/v1/orders/default/A1?colour=red")
	r.get("/v1/orders/de%20fault/A1")
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	want := []string{
		`msg=request method=POST route="POST /v1/orders" status=202 took=`,
		`msg=request method=GET route="GET /v1/orders/{merchant}/{out_trade_no}" status=200 took=`,
		`msg=request method=GET route="GET /v1/orders/{merchant}/{out_trade_no}" status=404 took=`,
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), r.log)
	}
	for i, line := range lines {
		named := strings.Contains(line, "merchant=default out_trade_no=A1")
		if !strings.Contains(line, want[i]) || named != (i < 2) || strings.Contains(line, "fault/A1") || strings.Contains(line, "colour") {
			t.Errorf("%s\nwant %s", line, want[i])
		}
	}
}

func TestAPI_AnswersAndLogsAPanic(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Producer = nil })
	if got := r.post(anOrder("A1")); got.status != http.StatusInternalServerError || strings.Contains(got.body, "nil pointer") {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(r.log.String(), "nil pointer") || !strings.Contains(r.log.String(), "status=500") {
		t.Errorf("the log: %s", r.log)
	}
	if got := r.post("{"); got.status != http.StatusBadRequest {
		t.Errorf("after it: %+v", got)
	}
}
