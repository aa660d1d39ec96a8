package simulator

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// admin asks g under /_simulator/ as from an address.
func admin(g *Gateway, from, method, target string) (int, string) {
	r := httptest.NewRequest(method, adminPath+target, nil)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(body)
}

const loopback = "127.0.0.1:40000"

func TestAdmin_TheBooksAreOpenToOtherProcesses(t *testing.T) {
	g := still(Config{})
	expect(t, g, "payment", order("A1"), "0000")
	for _, step := range []struct {
		method, target string
		code           int
		says           string
	}{
		{"GET", "ledger", 200, `"out_trade_no":"A1"`},
		{"GET", "calls", 200, `"endpoint":"payment"`},
		{"GET", "peak", 200, "1\n"},
		{"GET", "peak?app_code=nobody&window=1m", 200, "0\n"},
		{"GET", "peak?window=long", 400, "window"},
		{"POST", "refund?out_trade_no=A1", 400, "order A1"},
		{"POST", "pay?out_trade_no=A1", 204, ""},
		{"GET", "ledger", 200, `"state":"paid"`},
		{"POST", "pay?out_trade_no=A2", 400, "order A2"},
		{"POST", "refund?out_trade_no=A1", 204, ""},
		{"POST", "advance?by=1h", 204, ""},
		{"POST", "advance?by=soon", 400, "soon"},
		{"POST", "faults?fault=payment.drop=0.5&fault=reset=0.5", 204, ""},
		{"POST", "faults?fault=dropp=0.5", 400, "dropp"},
		{"POST", "faults", 204, ""},
		{"POST", "limits?per_second=7&per_minute=0", 204, ""},
		{"POST", "limits?per_second=-1&per_minute=0", 400, "per_second"},
		{"GET", "pay?out_trade_no=A1", 404, ""},
		{"GET", "", 404, ""},
	} {
		code, body := admin(g, loopback, step.method, step.target)
		if code != step.code || !strings.Contains(body, step.says) {
			t.Errorf("%s %s: %d %s", step.method, step.target, code, body)
		}
	}
	if got := g.Now().Sub(noon); got != time.Hour || g.perSecond != 7 || g.perMinute != NoLimit || len(g.books.faults) != 0 {
		t.Error(got, g.perSecond, g.perMinute, g.books.faults)
	}
	if len(g.Calls()) != 1 {
		t.Error("the journal counts those who look at it")
	}
}

func TestAdmin_TheBooksAreForLoopbackOnly(t *testing.T) {
	g := still(Config{})
	for _, from := range []string{"10.0.0.5:1234", "[2001:db8::1]:1234", "nonsense", ""} {
		if code, body := admin(g, from, http.MethodGet, "ledger"); code != http.StatusForbidden {
			t.Errorf("%s: %d %s", from, code, body)
		}
	}
	if code, _ := admin(g, "[::1]:1234", http.MethodGet, "ledger"); code != 200 {
		t.Error(code)
	}
}
