package worker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/audit"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

func (f *journalFixture) inspector() *inspect.Inspector {
	i := inspect.New(f.Redis, f.Keys)
	return i
}

// result is one with nothing in it that does not have to be.
func (f *journalFixture) result(o tasks.Outcome) tasks.Result {
	merchant, outTradeNo, _ := strings.Cut(f.id, ":")
	return tasks.Result{V: tasks.ResultVersion, ID: f.id, Merchant: merchant, OutTradeNo: outTradeNo, Outcome: string(o)}
}

// end settles the order, from wherever it has got to.
func (f *journalFixture) end(c *journal.Claim, o tasks.Outcome) {
	f.t.Helper()
	if _, err := f.Settle(f.t.Context(), c, f.result(o)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *journalFixture) reopen() inspect.Reopened {
	f.t.Helper()
	r, err := f.inspector().Reopen(f.t.Context(), f.id, time.Time{})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// sound fails when journal, due and stream do not agree.
func (f *journalFixture) sound() {
	f.t.Helper()
	_, err := audit.Run(f.t.Context(), f.Redis, f.Keys, func(v audit.Violation) { f.t.Errorf("%+v", v) })
	ok(f.t, err)
}

func TestReopen_GoesOnWhereTheOrderStands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		lead   func(*journalFixture, *journal.Claim) // what has happened before it ended
		ended  tasks.Outcome
		state  string
		number string
		sent   bool // what was sent under the number is still known
	}{
		// QFPay may hold it: a query comes first, from the moment it was sent.
		{"sent and never cleared up", func(f *journalFixture, c *journal.Claim) { ok(f.t, f.Intent(f.t.Context(), c)) }, tasks.Unresolved, "SENT", "0", true},
		// A close may have left: its QR code stays forbidden.
		{"closed and never cleared up", func(f *journalFixture, c *journal.Claim) {
			ok(f.t, f.Intent(f.t.Context(), c))
			ok(f.t, f.CloseIntent(f.t.Context(), c))
		}, tasks.Unresolved, "CLOSING", "0", true},
		// Nothing was sent: its own number is unused.
		{"expired in the queue", func(*journalFixture, *journal.Claim) {}, tasks.Expired, "NEW", "0", false},
		// Whatever the outcome was: a query comes first, and QFPay must show the number dead anew.
		{"sent, and closed at its deadline", func(f *journalFixture, c *journal.Claim) { ok(f.t, f.Intent(f.t.Context(), c)) }, tasks.Expired, "SENT", "0", true},
		{"refused by QFPay", func(f *journalFixture, c *journal.Claim) { ok(f.t, f.Intent(f.t.Context(), c)) }, tasks.Rejected, "SENT", "0", true},
		{"closed by us, and expired", func(f *journalFixture, c *journal.Claim) {
			ok(f.t, f.Intent(f.t.Context(), c))
			ok(f.t, f.CloseIntent(f.t.Context(), c))
		}, tasks.Expired, "CLOSING", "0", true},
		// The create was taken back: it has not been sent.
		{"sent and taken back", func(f *journalFixture, c *journal.Claim) {
			ok(f.t, f.Intent(f.t.Context(), c))
			ok(f.t, f.Retract(f.t.Context(), c))
		}, tasks.Expired, "NEW", "0", false},
		// A new number that was not used goes on.
		{"reissued, and not sent again", func(f *journalFixture, c *journal.Claim) {
			ok(f.t, f.Intent(f.t.Context(), c))
			ok(f.t, f.Reissue(f.t.Context(), c))
		}, tasks.Expired, "NEW", "1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newJournalFixture(t)
			held := f.take("a")
			c.lead(f, held)
			firstSent, createsSent := f.field("first_sent_at"), f.field("creates_sent")
			f.end(held, c.ended)
			r := f.reopen()
			if !c.sent {
				firstSent, createsSent = "", "0"
			}
			f.want(c.state, createsSent, c.number)
			if got := f.field("first_sent_at"); got != firstSent {
				t.Errorf("first sent at %q, want %q", got, firstSent)
			}
			if !f.isDue() || f.Redis.TTL(t.Context(), f.Keys.Order(f.id)).Val() != -1 || f.field("outcome") != "" {
				t.Error("it is not due, or its journal runs out, or has an outcome")
			}
			number, _ := strconv.Atoi(c.number)
			want := inspect.Reopened{ID: f.id, Was: c.ended, State: c.state, IssuedAs: journal.IssuedAs("A1", number), Deadline: r.Deadline, ResultID: "default:A1#2"}
			if diff := cmp.Diff(want, r); diff != "" {
				t.Error(diff)
			}
			if left := time.Until(r.Deadline); left < 23*time.Hour || left > 25*time.Hour {
				t.Errorf("%s until the deadline, want that of bulk", left)
			}
			f.sound()
		})
	}
}

// What was shown twice before the order ended says nothing of now.
func TestReopen_NeedsTheOrderShownAbsentTwiceAnew(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	c := f.take("a")
	ok(t, f.Intent(t.Context(), c))
	ok(t, f.Release(t.Context(), c, 0, true, event.DeferDoubt, nil))
	f.end(f.take("b"), tasks.Unresolved)
	f.reopen()
	if again := f.take("c"); again.NotFound != 0 || again.CreatesSent != 1 || again.State != policy.StateSent {
		t.Errorf("%+v", again)
	}
}

func TestReopen_GivesTheNextResultAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ended := f.result(tasks.Unresolved)
	for n, want := range []string{"default:A1", "default:A1#2", "default:A1#3"} {
		c := f.take(fmt.Sprint("attempt ", n))
		if n == 0 {
			ok(t, f.Intent(t.Context(), c))
		}
		for range 2 { // a repetition publishes nothing more
			_, err := f.Settle(t.Context(), c, ended)
			ok(t, err)
		}
		last := f.Redis.XRevRangeN(t.Context(), f.Keys.Results(), "+", "-", 1).Val()[0]
		if last.Values["id"] != want || f.published() != int64(n+1) {
			t.Errorf("%d entries, the last with the id %v, want %s", f.published(), last.Values["id"], want)
		}
		f.sound()
		f.reopen()
	}
}

// Somebody has had the QR code all along, and was not heard: it is the QR code of the
// number that the order goes on under, so it is the result. What he says of an order
// that goes on under another number is not.
func TestReopen_PublishesALateQRCodeOfTheSameNumberAlone(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	late := f.take("a")
	ok(t, f.Intent(t.Context(), late))
	f.lapse()
	f.end(f.take("b"), tasks.Unresolved)
	f.reopen()
	published, err := f.Settle(t.Context(), late, f.result(tasks.Created))
	last := f.Redis.XRevRangeN(t.Context(), f.Keys.Results(), "+", "-", 1).Val()[0]
	if err != nil || !published || last.Values["id"] != "default:A1#2" {
		t.Errorf("published %t as %v, %v", published, last.Values["id"], err)
	}

	f = newJournalFixture(t)
	late = f.take("a")
	ok(t, f.Intent(t.Context(), late))
	f.lapse()
	second := f.take("b")
	ok(t, f.Reissue(t.Context(), second))
	f.end(second, tasks.Expired)
	f.reopen()
	_, err = f.Settle(t.Context(), late, f.result(tasks.Created))
	lost(t, err)
	lost(t, f.Intent(t.Context(), late))
}

func TestReopen_ChangesNothingWhereItIsNotAllowed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, why string
		lead      func(*journalFixture)
		deadline  time.Time
	}{
		{"without a result", "no result yet (state NEW)", func(*journalFixture) {}, time.Time{}},
		{"created", "QR code published", func(f *journalFixture) {
			held := f.take("a")
			ok(f.t, f.Intent(f.t.Context(), held))
			f.end(held, tasks.Created)
		}, time.Time{}},
		{"deadline in the past", "is over", func(f *journalFixture) { f.end(f.take("a"), tasks.Expired) }, time.Now().Add(-time.Minute)},
		{"not valid", "corrected one", func(f *journalFixture) {
			ok(f.t, f.Redis.HSet(f.t.Context(), f.Keys.Order(f.id), "order", `{"out_trade_no":"A1"`).Err())
			f.end(f.take("a"), tasks.Rejected)
		}, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newJournalFixture(t)
			c.lead(f)
			before := f.Redis.HGetAll(t.Context(), f.Keys.Order(f.id)).Val()
			_, err := f.inspector().Reopen(t.Context(), f.id, c.deadline)
			var not *inspect.NotReopened
			if !errors.As(err, &not) || not.ID != f.id || !strings.Contains(not.Why, c.why) {
				t.Errorf("error %v, want one about %q", err, c.why)
			}
			if diff := cmp.Diff(before, f.Redis.HGetAll(t.Context(), f.Keys.Order(f.id)).Val()); diff != "" {
				t.Error(diff)
			}
			f.sound()
		})
	}
	if _, err := newJournalFixture(t).inspector().Reopen(t.Context(), "default:nobody", time.Time{}); !errors.Is(err, inspect.ErrNoOrder) {
		t.Errorf("error %v", err)
	}
}

// The script itself checks everything again: between looking and acting, others act.
func TestReopen_ChecksBeforeItWrites(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx, journal := t.Context(), f.Keys.Order(f.id)
	script := scriptOf(t, "inspect/lua/reopen.lua")
	run := func(id, entry, nonce string) []string {
		t.Helper()
		answer, err := script.Run(ctx, f.Redis, []string{f.Keys.Order(id), f.Keys.Due()}, id, entry, nonce, "{}", f.Keys.Batch("")).Slice()
		ok(t, err)
		return redisscript.Texts(answer)
	}
	want := func(got []string, words ...string) {
		t.Helper()
		if diff := cmp.Diff(words, got); diff != "" {
			t.Error(diff)
		}
	}
	want(run("default:nobody", "1-0", "n"), "none")
	want(run(f.id, "", "n"), "open", "NEW")
	c := f.take("a")
	ok(t, f.Intent(ctx, c))
	f.end(c, tasks.Unresolved)
	entry := f.field("entry")
	want(run(f.id, "1-0", "n"), "moved", entry)
	want(run(f.id, entry, "n"), "reopened", "SENT", "0", "1")
	want(run(f.id, entry, "n"), "reopened", "SENT", "0", "1") // the same call, repeated
	want(run(f.id, entry, "m"), "open", "SENT")               // another one
	if f.field("past_results") != "unresolved:"+entry {
		t.Errorf("past %q", f.field("past_results"))
	}
	// Without a word of whether a close has left, it counts as having left.
	f.end(f.take("b"), tasks.Unresolved)
	ok(t, f.Redis.HDel(ctx, journal, "settled_from").Err())
	want(run(f.id, f.field("entry"), "o"), "reopened", "CLOSING", "0", "2")
	c = f.take("c")
	ok(t, f.Reissue(ctx, c))
	ok(t, f.Intent(ctx, c))
	f.end(c, tasks.Created)
	want(run(f.id, f.field("entry"), "p"), "kept", "created")
	f.sound()
}

// A number under which a close may have left gets no create any more, also when the journal knows
// of none.
func TestReopen_NeverCreatesUnderANumberThatACloseMayHaveLeftFor(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	reopen := func() {
		t.Helper()
		_, err := f.inspector().Reopen(t.Context(), f.id, time.Time{})
		ok(t, err)
		f.lapse()
	}
	f.end(f.take("a"), tasks.Unresolved) // nothing is known of what was sent, so it is CLOSING now
	reopen()
	c := f.take("b")
	ok(t, f.CloseIntent(t.Context(), c))
	f.end(c, tasks.Expired)
	reopen()
	f.want("CLOSING", "0", "0")
	lost(t, f.Intent(t.Context(), f.take("c")))
}

// With workers and a gateway: how each kind of order ends when it is tried again.
func TestReopen_BringsTheOrderToAGoodEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		fault         simulator.Fault
		late          bool // it has expired in the queue
		first, issued string
	}{
		{"its QR code was lost", "drop_after", false, "unresolved", "A0000_2"}, // closed now, and issued again
		{"refused", "respcd_1294", false, "rejected", "A0000"},                 // QFPay does not have it
		{"expired", "", true, "expired", "A0000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Late: time.Second})
			r.fault(c.fault)
			r.config.LostResponse = LeaveIt
			stop := r.start()
			r.enqueue(1, func(_ int, o *tasks.Order) {
				if c.late {
					o.Deadline = time.Now().Add(-time.Second)
				}
			})
			if got := r.results(1)["A0000"]; got.Outcome != c.first || got.ID != "default:A0000" {
				t.Fatalf("%s with the id %s, want %s", got.Outcome, got.ID, c.first)
			}
			stop()
			r.config.LostResponse = Auto
			r.start()
			i := inspect.New(r.rdb, r.keys)
			_, err := i.Reopen(t.Context(), "default:A0000", time.Time{})
			ok(t, err)
			second := r.next(1)
			if second.Outcome != "created" || second.IssuedAs != c.issued || second.ID != "default:A0000#2" {
				t.Errorf("%s as %s with the id %s\n%s", second.Outcome, second.IssuedAs, second.ID, r.log.tail(20))
			}
			r.agree(map[string]tasks.Result{"A0000": second})
			h, err := i.Order(t.Context(), "default:A0000")
			if err != nil || len(h.Results) != 2 || h.Results[0].Outcome != c.first || h.Results[1].Result.QRCode != second.QRCode {
				t.Errorf("%+v, %v", h, err)
			}
			_, err = audit.Run(t.Context(), r.rdb, r.keys, func(v audit.Violation) { t.Errorf("%+v", v) })
			ok(t, err)
		})
	}
}

// next waits for the result after the first n.
func (r *rig) next(n int64) tasks.Result {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // until another process has done it
		entries, err := tasks.NewResults(r.rdb, r.keys).Read(r.t.Context(), "", n+1)
		ok(r.t, err)
		if int64(len(entries)) > n {
			return entries[n].Result
		}
		if time.Now().After(end) {
			r.t.Fatalf("no further result\n%s", r.log.tail(30))
		}
	}
}
