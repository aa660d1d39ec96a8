package simulator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// received is one notification as it arrived.
type received struct {
	at        time.Duration
	url, body string
	signed    bool
}

// receiver replaces the merchant's server, in process. It gives the answers in turn, and
// SUCCESS after that.
type receiver struct {
	start   time.Time
	answers []string
	got     []received
}

func (c *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	signed := r.Header.Get("X-QF-SIGN") == qfpay.MD5.SignText(body, SampleKey)
	c.got = append(c.got, received{time.Since(c.start), r.URL.String(), string(body), signed})
	answer := "SUCCESS"
	if len(c.answers) > 0 {
		answer, c.answers = c.answers[0], c.answers[1:]
	}
	if answer == "" {
		return nil, errors.New("no answer")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewBufferString(answer))}, nil
}

// notified pays an order while a notifier runs, and returns the notifications of a day and a
// half.
func notified(t *testing.T, c Config, answers []string, act func(*testing.T, *Gateway)) (got []received) {
	synctest.Test(t, func(t *testing.T) {
		g := New(c)
		at := &receiver{start: time.Now(), answers: answers}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { g.RunNotifier(ctx, &http.Client{Transport: at}); close(done) }()
		act(t, g)
		time.Sleep(36 * time.Hour)
		stop()
		<-done
		got = at.got
	})
	return got
}

// payA1 creates an order and pays it.
func payA1(t *testing.T, g *Gateway) {
	t.Helper()
	expect(t, g, "payment", order("A1", "goods_name", "测试", "notify_url", "https://shop.example/n"), "0000")
	if err := g.Pay("A1"); err != nil {
		t.Error(err)
	}
}

var configured = Config{Notify: Notify{URL: "https://configured.example/"}}

func TestNotify_APaymentIsReported(t *testing.T) {
	t.Parallel()
	got := notified(t, configured, nil, payA1)
	if len(got) != 1 || !got[0].signed || got[0].url != "https://configured.example/" {
		t.Fatalf("%+v", got)
	}
	// A bubble's clock begins at 2000-01-01 00:00 UTC.
	want := `{"status": "1", "pay_type": "800101", "sysdtm": "2000-01-01 08:00:00", "paydtm": "2000-01-01 08:00:00", ` +
		`"goods_name": "\u6d4b\u8bd5", "txcurrcd": "HKD", "cancel": "0", "respcd": "0000", "txdtm": "2026-03-10 12:00:00", ` +
		`"txamt": "300", "out_trade_no": "A1", "syssn": "20000101000200000000000001", "notify_type": "payment"}`
	if diff := cmp.Diff(want, got[0].body); diff != "" {
		t.Error(diff)
	}
}

func TestNotify_ANotificationIsRepeatedUntilItHearsSuccess(t *testing.T) {
	t.Parallel()
	times := func(got []received) (at []time.Duration) {
		for _, r := range got {
			at = append(at, r.at)
		}
		return at
	}
	// No answer, a wrong word, and an extra word; then SUCCESS.
	got := notified(t, configured, []string{"", "OK", "SUCCESS\n"}, payA1)
	if diff := cmp.Diff([]time.Duration{0, 2 * time.Minute, 12 * time.Minute, 22 * time.Minute}, times(got)); diff != "" {
		t.Error(diff)
	}
	never := notified(t, configured, []string{"", "", "", "", "", "", "", "", "", ""}, payA1)
	if n := len(never); n != 8 {
		t.Errorf("%d attempts, want the first and seven more", n)
	}
	if last := never[len(never)-1].at; last != 24*time.Hour+22*time.Minute {
		t.Errorf("the last after %s", last)
	}
}

func TestNotify_FaultsReachTheReceiver(t *testing.T) {
	t.Parallel()
	with := func(f Fault) Config {
		c := configured
		c.Faults = Faults{f: 1}
		return c
	}
	if got := notified(t, with(notifyTwice), nil, payA1); len(got) != 2 || got[0].body != got[1].body {
		t.Errorf("twice: %+v", got)
	}
	if got := notified(t, with(notifyLate), nil, payA1); len(got) != 1 || got[0].at != 15*time.Second {
		t.Errorf("late: %+v", got)
	}
	if got := notified(t, with(notifyBadSignature), nil, payA1); len(got) != 1 || got[0].signed {
		t.Errorf("bad signature: %+v", got)
	}
	if got := notified(t, with(notifyLost), nil, payA1); len(got) != 0 {
		t.Errorf("lost: %+v", got)
	}
	if got := notified(t, with(notifyMissed), []string{""}, payA1); len(got) != 2 || got[0].at != 2*time.Minute || got[1].at != 12*time.Minute {
		t.Errorf("missed: %+v", got)
	}
	refunded := func(t *testing.T, g *Gateway) { payA1(t, g); g.Refund("A1") }
	if got := notified(t, with(notifyCancel), nil, refunded); len(got) != 2 || !strings.Contains(got[0].body, `"notify_type": "payment"`) || !strings.Contains(got[1].body, `"notify_type": "cancel"`) {
		t.Errorf("cancel: %+v", got)
	}
	// The payment's waits for the refund's, and that for a third one, which does not come.
	if got := notified(t, with(notifyReordered), nil, func(t *testing.T, g *Gateway) {
		payA1(t, g)
		g.SetFaults(nil)
		g.Refund("A1")
	}); len(got) != 2 || !strings.Contains(got[0].body, "refund") || got[1].at != time.Millisecond {
		t.Errorf("reordered: %+v", got)
	}
	if got := notified(t, with(notifyReordered), nil, payA1); len(got) != 1 || got[0].at != 15*time.Second {
		t.Errorf("reordered, alone: %+v", got)
	}
	forged := notified(t, with(notifyForged), nil, func(t *testing.T, g *Gateway) { expect(t, g, "payment", order("A1"), "0000") })
	if len(forged) != 1 || forged[0].signed || !strings.Contains(forged[0].body, `"out_trade_no": "A1"`) || !strings.Contains(forged[0].body, `"notify_type": "payment"`) {
		t.Errorf("forged: %+v", forged)
	}
	var answered time.Duration
	first := notified(t, with("notify_first"), nil, func(t *testing.T, g *Gateway) {
		start := time.Now()
		expect(t, g, "payment", order("A1"), "0000")
		answered = time.Since(start)
	})
	if len(first) != 1 || first[0].at != 0 || answered != headStart {
		t.Errorf("first: %+v, answered after %s", first, answered)
	}
}

func TestNotify_OnlyTheAddressThatWasGivenIsNotified(t *testing.T) {
	t.Parallel()
	if got := notified(t, Config{}, nil, payA1); len(got) != 0 {
		t.Errorf("nowhere configured: %+v", got)
	}
	fromOrder := Config{Notify: Notify{URL: "https://configured.example/", FromOrder: true}}
	if got := notified(t, fromOrder, nil, payA1); len(got) != 1 || got[0].url != "https://shop.example/n" {
		t.Errorf("from the order: %+v", got)
	}
	refund := notified(t, configured, nil, func(t *testing.T, g *Gateway) { payA1(t, g); g.Refund("A1") })
	if len(refund) != 2 || !bytes.Contains([]byte(refund[1].body), []byte(`"notify_type": "refund", "orig_out_trade_no": "A1"`)) {
		t.Errorf("refund: %+v", refund)
	}
	for _, field := range []string{"pay_type", "paydtm", "cancel"} {
		if strings.Contains(refund[1].body, `"`+field+`"`) {
			t.Errorf("%s is in the notification of a refund: %+v", field, refund[1])
		}
	}
	expired := notified(t, configured, nil, func(t *testing.T, g *Gateway) { expect(t, g, "payment", order("A1"), "0000") })
	if len(expired) != 0 {
		t.Errorf("of an expiry: %+v", expired)
	}
}

func TestNotify_AStoreMayHaveANotificationKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	c := configured
	c.Merchants = []Account{{AppCode: SampleAppCode, Key: SampleKey, NotifyKey: "another"}}
	if got := notified(t, c, nil, payA1); len(got) != 1 || got[0].signed {
		t.Errorf("%+v", got)
	}
}

func TestNotify_AnAdvanceOfTheClockBringsARepetitionForward(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(configured)
		at := &receiver{start: time.Now(), answers: []string{""}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { g.RunNotifier(ctx, &http.Client{Transport: at}); close(done) }()
		payA1(t, g)
		synctest.Wait()
		g.Advance(2 * time.Minute)
		synctest.Wait()
		stop()
		<-done
		if len(at.got) != 2 || time.Since(at.start) != 0 {
			t.Errorf("%d after %s", len(at.got), time.Since(at.start))
		}
	})
}

func TestNotify_TheMailboxIsBounded(t *testing.T) {
	box := newMailbox()
	for i := range maxMail + 5 {
		box.put(&letter{due: noon.Add(time.Duration(i))})
	}
	if l, _, _ := box.take(noon.Add(time.Hour)); len(box.waiting) != maxMail-1 || l.due != noon.Add(5) {
		t.Error(len(box.waiting), l.due)
	}
}
