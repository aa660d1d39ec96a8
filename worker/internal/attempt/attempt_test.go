package attempt

import (
	"errors"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
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
