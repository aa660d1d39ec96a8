package notify

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// paid is a notification of a payment, with fields in place of its own.
func paid(fields ...string) []byte {
	return []byte(strings.NewReplacer(fields...).Replace(`{"status": "1", "pay_type": "800101", "sysdtm": "2026-03-01 10:32:58", "paydtm": "2026-03-01 10:33:35",
		"txcurrcd": "HKD", "txdtm": "2026-03-01 10:32:58", "txamt": "2500", "out_trade_no": "ORD_1", "syssn": "20260301000200020000000002",
		"cancel": "0", "respcd": "0000", "notify_type": "payment", "mchid": "", "something new": {"a": [1]}}`))
}

// signed is a POST with the signature of a key, from loopback.
func signed(merchant string, body []byte, key qfpay.Secret) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/qfpay/notify/"+merchant, bytes.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("X-QF-SIGN", qfpay.MD5.SignText(body, key))
	return r
}

// answered returns status and text of the answer to a request. A problem that says no more than its status
// is that alone.
func (r *rig) answered(request *http.Request) string {
	w := httptest.NewRecorder()
	newReceiver(r.config).ServeHTTP(w, request)
	if w.Header().Get("Content-Type") == conns.ProblemType && w.Body.String() == string(conns.NewProblem(w.Code, "").JSON()) {
		return strconv.Itoa(w.Code)
	}
	return strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body))
}

func TestNotify_OnlyWhatIsWrittenDownIsAnsweredWithSUCCESS(t *testing.T) {
	change := func(r *http.Request, f func(*http.Request)) *http.Request { f(r); return r }
	for _, c := range []struct {
		why     string
		request *http.Request
		book    string // what the book says
		err     error
		result  string // empty: not counted
		want    string
	}{
		{"recorded", signed("default", paid(), agentKey), "recorded", nil, "recorded", "200 SUCCESS"},
		{"doubled", signed("default", paid(), agentKey), "known", nil, "known", "200 SUCCESS"},
		{"about no order", signed("default", paid(), agentKey), "unknown", nil, "unknown", "404"},
		{"about another amount", signed("default", paid(), agentKey), "mismatch", nil, "mismatch", "404"},
		{"Redis does not take it", signed("default", paid(), agentKey), "", errors.New("redis: timeout"), "failed", "503"},
		{"Redis takes it and does not say so", signed("default", paid(), agentKey), "recorded", errors.New("redis: timeout"), "failed", "503"},
		{"the book has a word of its own", signed("default", paid(), agentKey), "later", nil, "later", "404"},
		{"a refund", signed("default", paid(`"payment"`, `"refund"`, `"mchid"`, `"orig_out_trade_no": "ORD_1", "mchid"`), agentKey), "recorded", nil, "recorded", "200 SUCCESS"},
		{"a refund until January 2026", signed("default", paid(`"payment"`, `"cancel"`, `"mchid"`, `"orig_out_trade_no": "ORD_1", "mchid"`), agentKey), "recorded", nil, "recorded", "200 SUCCESS"},
		{"signed in lower case", change(signed("default", paid(), agentKey), func(r *http.Request) {
			r.Header.Set("X-QF-SIGN", strings.ToLower(r.Header.Get("X-QF-SIGN")))
		}), "recorded", nil, "recorded", "200 SUCCESS"},
		{"with a key of the store's own", signed("own", paid(), ownKey), "recorded", nil, "recorded", "200 SUCCESS"},

		{"with the client key of a store that has its own", signed("own", paid(), "other"), "recorded", nil, "forged", "403"},
		{"with another merchant's key", signed("default", paid(), ownKey), "recorded", nil, "forged", "403"},
		{"for another merchant", signed("own", paid(), agentKey), "recorded", nil, "forged", "403"},
		{"for no merchant", signed("nobody", paid(), agentKey), "recorded", nil, "forged", "403"},
		{"for no merchant, with no key", signed("nobody", paid(), ""), "recorded", nil, "forged", "403"},
		{"without a merchant", signed("", paid(), agentKey), "recorded", nil, "forged", "403"},
		{"unsigned", change(signed("default", paid(), agentKey), func(r *http.Request) { r.Header.Del("X-QF-SIGN") }), "recorded", nil, "forged", "403"},
		{"signed twice", change(signed("default", paid(), agentKey), func(r *http.Request) { r.Header.Add("X-QF-SIGN", "00") }), "recorded", nil, "forged", "403"},
		{"changed on the way", change(signed("default", paid(), agentKey), func(r *http.Request) {
			r.Body = http.NoBody
		}), "recorded", nil, "forged", "403"},
		{"signed, and no JSON", signed("default", []byte("SUCCESS"), agentKey), "recorded", nil, "malformed", "400"},
		{"signed, and the answer to a create", signed("default", paid(`"notify_type"`, `"resperr"`), agentKey), "recorded", nil, "malformed", "400"},
		{"too long", signed("default", paid(`"ORD_1"`, `"`+strings.Repeat("1", qfpay.MaxNotification)+`"`), agentKey), "recorded", nil, "unreadable", "413"},
		{"over plain http from elsewhere", change(signed("default", paid(), agentKey), func(r *http.Request) { r.RemoteAddr = "203.0.113.7:1" }), "recorded", nil, "untrusted", "403"},

		{"another path", httptest.NewRequest(http.MethodPost, "/qfpay", nil), "", nil, "", "404"},
		{"a GET", httptest.NewRequest(http.MethodGet, "/qfpay/notify/default", nil), "", nil, "", "404"},
	} {
		r := newRig()
		r.book.err = c.err
		for _, m := range []string{"default", "own"} {
			r.book.is[m] = c.book
		}
		if got := r.answered(c.request); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
		if got := r.results; c.result == "" && len(got) > 0 || c.result != "" && (len(got) != 1 || got[0] != c.result) {
			t.Errorf("%s: counted as %q, want %s", c.why, got, c.result)
		}
		asked := slices.Contains([]string{"recorded", "known", "unknown", "mismatch", "failed", "later"}, c.result)
		if asked != (len(r.book.asked) == 1 && strings.HasSuffix(r.book.asked[0], ":ORD_1")) {
			t.Errorf("%s: the book was asked for %q", c.why, r.book.asked)
		}
		for _, secret := range []qfpay.Secret{agentKey, ownKey} {
			if strings.Contains(r.log.String(), string(secret)) {
				t.Errorf("%s: a key is in the log", c.why)
			}
		}
	}
	for result := range statuses {
		if !slices.Contains(event.NotificationResults(), result) {
			t.Errorf("%s is no result", result)
		}
	}
	if len(statuses) != len(event.NotificationResults()) {
		t.Error("a result has no status")
	}
}

// A stranger must not learn which merchants there are.
func TestNotify_AnUnknownMerchantLooksLikeAForgedSignature(t *testing.T) {
	r := newRig()
	whole := func(merchant string) *http.Response {
		w := httptest.NewRecorder()
		newReceiver(r.config).ServeHTTP(w, signed(merchant, paid(), "guessed"))
		return w.Result()
	}
	known, unknown := whole("default"), whole("nobody")
	if d := cmp.Diff(known.Header, unknown.Header); d != "" || known.StatusCode != unknown.StatusCode || known.ContentLength != unknown.ContentLength {
		t.Errorf("%d and %d\n%s", known.StatusCode, unknown.StatusCode, d)
	}
}

// QFPay has one address for each app_code, whatever stores an agent has.
func TestNotify_AnAgentsStoresAreToldApartByTheirMchID(t *testing.T) {
	for _, c := range []struct {
		at, mchID string
		key       qfpay.Secret
		want      []string // who is asked, in this order, until somebody knows it
	}{
		{"default", "", agentKey, []string{"default"}},
		{"default", "anything", agentKey, []string{"default"}}, // some notifications have one although none was issued
		{"kowloon", "K1", agentKey, []string{"kowloon"}},
		{"kowloon", "", agentKey, []string{"kowloon"}},
		{"kowloon", "C1", agentKey, []string{"central"}},
		{"central", "K1", agentKey, []string{"kowloon"}},
		{"kowloon", "F1", agentKey, nil}, // it has another key
		{"forger", "K1", ownKey, nil},    // and its key is good for itself only
		{"kowloon", "X9", agentKey, nil},
	} {
		r := newRig()
		for _, m := range []string{"default", "own", "kowloon", "central", "forger"} {
			r.book.is[m] = event.NotificationUnknown
		}
		if got := r.answered(signed(c.at, paid(`"mchid": ""`, `"mchid": "`+c.mchID+`"`), c.key)); got != "404" || r.last() != event.NotificationUnknown {
			t.Errorf("at %s for %q: %s", c.at, c.mchID, got)
		}
		var want []string
		for _, one := range c.want {
			want = append(want, one+":ORD_1")
		}
		if d := cmp.Diff(want, r.book.asked); d != "" {
			t.Errorf("at %s for %q:\n%s", c.at, c.mchID, d)
		}
	}
}

func TestNotify_PlainHTTPIsForLoopbackAndProxies(t *testing.T) {
	for _, c := range []struct {
		from    string
		tls     bool
		trusted bool
	}{
		{"127.0.0.1:1", false, true}, {"[::1]:1", false, true}, {"[::ffff:127.0.0.1]:1", false, true},
		{"10.9.8.7:1", false, true}, {"[::ffff:10.9.8.7]:1", false, true}, {"[fd00::7%eth0]:1", false, true},
		{"11.0.0.1:1", false, false}, {"[fe80::1]:1", false, false}, {"@", false, false}, {"", false, false},
		{"11.0.0.1:1", true, true},
	} {
		r := newRig()
		r.config.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
		request := signed("default", paid(), agentKey)
		request.RemoteAddr = c.from
		for header, text := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on",
			"X-Real-Ip": "127.0.0.1", "Forwarded": "for=127.0.0.1;proto=https"} {
			request.Header.Set(header, text) // anybody can write that
		}
		if c.tls {
			request.TLS = &tls.ConnectionState{}
		}
		want := "403"
		if c.trusted {
			want = "200 SUCCESS"
		}
		if got := r.answered(request); got != want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
