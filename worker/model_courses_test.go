package worker

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/attempt"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// Courses that a random replay seldom takes: an order was sent once, long ago, and not
// found since; these are the gateway's answers, and this is what must come of it.
func TestAttempt_TakesNothingForGrantedInDoubt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answers []byte
		calls   []string
	}{
		{"the repetition is refused, which says nothing of the first",
			[]byte{queryPrompt(none), createPrompt(replyRefused), queryPrompt(none)}, []string{"query 0", "create 0", "query 0"}},
		{"the repetition is turned away, which says nothing of the first",
			[]byte{queryPrompt(none), createPrompt(replyThrottled)}, []string{"query 0", "create 0"}},
		{"the close does not show its effect: it is not sent again at once",
			[]byte{queryPrompt(live), 0, queryPrompt(live)}, []string{"query 0", "close 0", "query 0"}},
	} {
		f := newJournalFixture(t)
		f.Times = slowTimes()
		before := f.take("a")
		ok(t, f.Intent(t.Context(), before))
		ok(t, f.Release(t.Context(), before, 0, true, event.DeferDoubt, nil))
		long := time.Now().Add(-2 * f.Times.LandingTime).UnixMilli()
		ok(t, f.Redis.HSet(t.Context(), f.Keys.Order(f.id), "sent_at", long).Err())

		gateway := &scheduler{answers: c.answers}
		ok(t, workedBy(f.Journal, settings[0], gateway).Work(t.Context(), *f.take("b"), attempt.WakeUp{}))
		if diff := cmp.Diff(c.calls, gateway.calls); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", c.name, diff)
		}
		if f.published() != 0 || f.field("state") == "NEW" || f.field("token") != "" {
			t.Errorf("%s: %d results, state %s, held by %q", c.name, f.published(), f.field("state"), f.field("token"))
		}
	}
}

// queryPrompt is the prompt for a query that finds this record: the first is no answer.
func queryPrompt(r record) byte { return byte(r) + 1 }

// createPrompt is the first prompt for a create that means this.
func createPrompt(r policy.Reply) byte {
	for i, p := range creates {
		if p.reply == r && !p.unsent {
			return byte(i)
		}
	}
	panic("no such prompt")
}
