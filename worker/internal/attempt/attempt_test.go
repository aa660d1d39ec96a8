package attempt

import (
	"errors"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/collector"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// call < attempt < lease < landingTime, for every call timeout that may be configured.
func TestAttempt_KeepsItsTimesInOrder(t *testing.T) {
	t.Parallel()
	for call := time.Second; call <= time.Minute; call += time.Second {
		s := timing.For(call)
		if !(s.Call < s.Attempt && s.Attempt < s.Lease && s.Lease < s.LandingTime) || (1+maxRenewals)*s.Attempt+timing.SettleTimeout >= tasks.TaskTimeout {
			t.Errorf("%+v", s)
		}
	}
	if s := timing.For(10 * time.Second); s.Lease > 15*time.Second {
		t.Errorf("with the default timeout a killed worker's order waits %s, more than 15 s", s.Lease)
	}
}

// An order that got a new number at the end of an attempt goes on at once: nothing
// of that number is on its way, so there is nothing to wait for.
func TestReissue_DoesNotWait(t *testing.T) {
	t.Parallel()
	h := &Handler{Times: timing.For(10 * time.Second)}
	a := &attempt{handler: h, began: time.Now(), claim: journal.Claim{State: policy.StateNew, Reissues: 1, ClaimedAt: time.Now()}}
	if d := h.delay(t.Context(), a, &policy.Step{Do: policy.Wait, Why: event.DeferDoubt}); d != 0 {
		t.Errorf("it waits for %s", d)
	}
}

// An order that a window did not show, and for which its attempt then had no time, is asked for by its number at
// once: it does not wait as one for which QFPay was asked in vain.
func TestQuery_ByTheNumberDoesNotWaitForTheNextAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		apart, closeRefused bool
		retryAfter          time.Duration
		least, most         time.Duration
	}{
		"not asked for":                        {apart: true},
		"not asked for, and QFPay has a pause": {apart: true, retryAfter: 9 * time.Second, least: 9 * time.Second, most: 9 * time.Second},
		"not asked for, after a close":         {apart: true, closeRefused: true, least: 2 * time.Minute, most: time.Hour},
		"asked for in vain":                    {least: time.Minute, most: time.Hour},
	} {
		a := &attempt{handler: &Handler{Times: timing.For(10 * time.Second)}, began: time.Now(), retryAfter: c.retryAfter, closeRefused: c.closeRefused,
			claim: journal.Claim{State: policy.StateSent, ClaimedAt: time.Now(), SentAt: time.Now().Add(-time.Hour)}}
		a.heard(collector.Answer{Apart: !c.apart}) // what was answered before it
		a.heard(collector.Answer{Apart: c.apart})
		if d := a.handler.delay(t.Context(), a, &policy.Step{Do: policy.Wait, Why: event.DeferDoubt}); d < c.least || d > c.most {
			t.Errorf("%s: it waits for %s, want %s to %s", name, d, c.least, c.most)
		}
	}
}

// An order that stands unpaid and cannot be closed is looked at rarely, but once just after its QR code has run
// out: it is waited for as long as that takes, and no longer.
func TestQuery_OfALostCodeComesWhenItHasRunOut(t *testing.T) {
	t.Parallel()
	const life = 30*time.Minute + timing.RunOutLag
	for name, c := range map[string]struct {
		payType     qfpay.PayType
		age         time.Duration
		least, most time.Duration
	}{
		"young":                         {qfpay.PayMe, 20 * time.Second, 10 * time.Second, 13 * time.Second},
		"near the end":                  {qfpay.PayMe, 90 * time.Second, 29 * time.Second, 30*time.Second + time.Millisecond},
		"after it":                      {qfpay.PayMe, 130 * time.Second, 65 * time.Second, 82 * time.Second},
		"of a known life":               {qfpay.WeChat, 10 * time.Minute, 5 * time.Minute, 7 * time.Minute},
		"of a known life, near the end": {qfpay.WeChat, life - time.Minute, 59 * time.Second, time.Minute + time.Millisecond},
	} {
		now := time.Now()
		a := &attempt{handler: &Handler{Times: timing.For(10 * time.Second), Lost: policy.LostAuto}, began: now, known: policy.Facts{Reply: policy.Unpaid},
			order: tasks.Order{Order: qfpay.Order{PayType: c.payType}, Deadline: now.Add(time.Hour)},
			claim: journal.Claim{State: policy.StateSent, ClaimedAt: now, SentAt: now.Add(-c.age)}}
		if d := a.handler.delay(t.Context(), a, &policy.Step{Do: policy.Wait, Why: event.DeferDoubt}); d < c.least || d > c.most {
			t.Errorf("%s: it waits for %s, want %s to %s", name, d, c.least, c.most)
		}
	}
}

// What a window has shown a while ago is nothing to close an order by, nor to issue it again; and nothing that is older
// than a call about the order says what became of that.
func TestQuery_ClosesNothingByWhatWasShownAWhileAgo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lost    policy.LostResponse
		payType qfpay.PayType
		claim   journal.Claim
		calls   int
		want    time.Duration
	}{
		"its wallet closes no order":       {lost: policy.LostAuto, payType: qfpay.FPS, want: timing.SightedFor},
		"it may be closed":                 {lost: policy.LostAuto, payType: qfpay.AlipayOverseas, want: timing.JustShown},
		"it is left as it is":              {lost: policy.LostUnresolved, payType: qfpay.AlipayOverseas, want: timing.SightedFor},
		"it is left, but somebody cancels": {lost: policy.LostUnresolved, payType: qfpay.AlipayOverseas, claim: journal.Claim{Cancelled: true}, want: timing.JustShown},
		"it may be issued again":           {lost: policy.LostReissue, payType: qfpay.FPS, want: timing.JustShown},
		"a person has re-opened it":        {lost: policy.LostUnresolved, payType: qfpay.FPS, claim: journal.Claim{Reopens: 1}, want: timing.JustShown},
		"a close may have left":            {lost: policy.LostAuto, payType: qfpay.FPS, claim: journal.Claim{State: policy.StateClosing}},
		"a call was made":                  {lost: policy.LostAuto, payType: qfpay.FPS, calls: 1},
	} {
		a := &attempt{handler: &Handler{Times: timing.For(10 * time.Second), Lost: c.lost, UniqueNumbers: true}, claim: c.claim, calls: c.calls}
		a.order.PayType = c.payType
		if got := a.sightedFor(); got != c.want {
			t.Errorf("%s: what is %s old will do, want %s", name, got, c.want)
		}
	}
}

func TestTrace_ChangesNothingAboutAnError(t *testing.T) {
	t.Parallel()
	failed, c := errors.New("Redis is away"), &journal.Claim{Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	if err := traced(c, failed); !errors.Is(err, failed) || err.Error() != failed.Error() {
		t.Errorf("it has become %v", err)
	}
	if traced(&journal.Claim{}, failed) != failed || traced(c, nil) != nil {
		t.Error("something was made of nothing")
	}
	if !errors.Is(traced(c, journal.ErrLost), journal.ErrLost) {
		t.Error("a lost lease cannot be told from other errors")
	}
}
