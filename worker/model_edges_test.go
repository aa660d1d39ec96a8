package worker

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/attempt"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// What the model takes from the worker as it is, it cannot find wrong: the facts, the
// reading of answers, and what lies outside an order's life. Here they are held
// against plain expectations. Each test was written for a mutant that lived.

func TestAttempt_TakesItsFactsFromTheClaimAndTheClock(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		for h := range everyHand {
			for clock := range clocks {
				creates := 4 + h.reopens
				if h.verdict > policy.Lost {
					creates = 2 + h.reopens
				}
				runsOut, known := h.sent == flying || h.sent == landed && clock != pastDoubtTimeout, s.payType.TakesExpiredTime()
				if !known {
					runsOut = h.sent == flying
				}
				want := policy.Facts{
					State: h.state, CreateMayLand: h.sent == flying, NotFoundBefore: h.notFound, Unique: s.trusted,
					PastDeadline: clock != inTime, PastDoubtTimeout: clock == pastDoubtTimeout && !(known && runsOut),
					Patient:         s.lost != LeaveIt && runsOut && (known || clock == inTime),
					TooEarlyToClose: h.sent == flying && s.payType == qfpay.WeChat,
					Close:           s.lost.MayClose(s.payType, s.trusted) || h.cancelled && s.trusted && s.payType.Closable(),
					Reissue:         h.reissues < h.reopens || s.lost.MayReissue(s.payType, s.trusted, int(h.reissues)-int(h.reopens)),
					Resend:          s.trusted && h.createsSent < creates,
					Verdict:         h.verdict, Reopened: h.reissues < h.reopens, Cancel: h.cancelled,
				}
				if got := s.factsAt(h, clock); got != want {
					t.Fatalf("%s, %+v, clock %d:\n got %+v\nwant %+v", s.name, h, clock, got, want)
				}
			}
		}
	}
}

// Each answer of the gateway, and what the worker must make of it.
func TestAnswer_IsReadAsTheGatewayMeansIt(t *testing.T) {
	t.Parallel()
	got := []policy.Reply{replyCreated, replyLost, replyNotSent, replyThrottled, replyBusy, replyUnsigned, replyHeld, replyRefused,
		replyDuplicate, replyUnknown, replyStored, replyNotNow, replyProxy, replyClosed, replyCloseLost, replyNotClosed, replyNoAnswer}
	want := []policy.Reply{policy.Created, policy.Unknown, policy.NotExecuted, policy.NotExecuted, policy.NotExecuted, policy.SignatureRefused, policy.ConfigRefused, policy.Refused,
		policy.Unknown, policy.Unknown, policy.Unknown, policy.NotNow, policy.Unknown, policy.CloseSent, policy.CloseSent, policy.CloseSent, policy.Unclear}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := [records]policy.Reply{policy.NotFound, policy.Unpaid, policy.Paid, policy.Closed, policy.Closed, policy.Failed, policy.Declined, policy.OtherOrder, policy.MaybeOurs, policy.Unpaid}; shown != want {
		t.Errorf("records are read as %v, want %v", shown, want)
	}
}

// Of several rows under one number the one that could cost somebody money decides.
func TestAnswer_IsDecidedByTheRowThatCostsMost(t *testing.T) {
	t.Parallel()
	least := []record{none, barred, broken, shut, others, earlier, live, bought}
	o := anOrder("A1").Order
	for i, r := range least {
		for _, lesser := range least[:i] {
			for _, both := range [][]qfpay.Record{append(rows[lesser], rows[r]...), append(rows[r], rows[lesser]...)} {
				if got, _ := policy.ReadQuery(both, nil, o, time.Now()); got != shown[r] {
					t.Errorf("%s, and %s: read as %d", recordNames[lesser], recordNames[r], got)
				}
			}
		}
	}
}

// cutOff answers, and ends the task's time before the answer is read.
type cutOff struct {
	gateway http.RoundTripper
	end     context.CancelFunc
}

func (c cutOff) RoundTrip(r *http.Request) (*http.Response, error) {
	defer c.end()
	return c.gateway.RoundTrip(r)
}

// What the gateway did is written down though the task has no time left, and an order
// without a result is deferred, not left alone until its lease is over.
func TestAttempt_WritesDownHowItEndedWhenItIsCutOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		prompt byte
		state  string
	}{
		{0, "DONE"}, // created
		{7, "SENT"}, // a duplicate, and no time left to ask: it comes back
	} {
		f := newJournalFixture(t)
		f.Times = slowTimes()
		ctx, cancel := context.WithCancel(t.Context())
		h := workedBy(f.Journal, settings[0], cutOff{&scheduler{answers: []byte{c.prompt}}, cancel})
		ok(t, h.Work(ctx, *f.take("a"), attempt.WakeUp{}))
		if got := f.field("state"); got != c.state || f.field("token") != "" {
			t.Errorf("prompt %d: the journal says %s, want %s; held by %q", c.prompt, got, c.state, f.field("token"))
		}
	}
}
