package worker

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
			[]byte{query(none), create(replyRefused), query(none)}, []string{"query 0", "create 0", "query 0"}},
		{"the repetition is turned away, which says nothing of the first",
			[]byte{query(none), create(replyThrottled)}, []string{"query 0", "create 0"}},
		{"the close does not show its effect: it is not sent again at once",
			[]byte{query(live), 0, query(live)}, []string{"query 0", "close 0", "query 0"}},
	} {
		d := newDesk(t)
		d.times = slowTimes()
		before := d.take("a")
		ok(t, d.intent(t.Context(), before))
		ok(t, d.release(t.Context(), before, 0, true, DeferDoubt, nil))
		long := time.Now().Add(-2 * d.times.quiet).UnixMilli()
		ok(t, d.rdb.HSet(t.Context(), d.keys.Order(d.id), "sent_at", long).Err())

		gateway := &prompter{answers: c.answers}
		ok(t, workedBy(d.journal, settings[0], gateway).work(t.Context(), *d.take("b"), wakeUp{}))
		if diff := cmp.Diff(c.calls, gateway.calls); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", c.name, diff)
		}
		if d.published() != 0 || d.field("state") == "NEW" || d.field("token") != "" {
			t.Errorf("%s: %d results, state %s, held by %q", c.name, d.published(), d.field("state"), d.field("token"))
		}
	}
}

// query is the prompt for an enquiry that finds this record: the first is no answer.
func query(r record) byte { return byte(r) + 1 }

// create is the first prompt for a create that means this.
func create(r reply) byte {
	for i, p := range creates {
		if p.reply == r && !p.unsent {
			return byte(i)
		}
	}
	panic("no such prompt")
}
