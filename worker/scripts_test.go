package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// journalFixture is a journal on a Redis of its own, with one order accepted.
type journalFixture struct {
	*journal.Journal
	t  *testing.T
	id string
}

func newJournalFixture(t *testing.T) *journalFixture {
	rdb := redistest.Start(t).Client(t)
	f := &journalFixture{t: t, id: "default:A1",
		Journal: &journal.Journal{Redis: rdb, Scripts: redisscript.NewPipelinedClient(rdb), Keys: tasks.Keys{Prefix: tasks.DefaultPrefix}, Times: quickTimes()}}
	if _, err := tasks.NewProducer(rdb, f.Keys).Accept(t.Context(), anOrder("A1").WithDefaults(time.Now())); err != nil {
		t.Fatal(err)
	}
	return f
}

// calmTimes leave calls all the time they want, so that a slow machine changes
// nothing, and doubt next to none: right where nothing is ever under way unseen.
func calmTimes() timing.Times {
	return timing.Times{Call: 10 * time.Second, Attempt: 12 * time.Second, Lease: 14 * time.Second,
		LandingTime: 300 * time.Millisecond, Doubt: 100 * time.Millisecond, MaxDoubt: time.Second, CloseAgain: 100 * time.Millisecond, Held: 2 * time.Second, Maintenance: time.Second}
}

// quickTimes are the worker's own times on a smaller scale, for what depends on
// calls that run out of time.
func quickTimes() timing.Times {
	return timing.Times{Call: 500 * time.Millisecond, Attempt: 1500 * time.Millisecond, Lease: 2 * time.Second,
		LandingTime: 2500 * time.Millisecond, Doubt: 100 * time.Millisecond, MaxDoubt: time.Second, CloseAgain: 100 * time.Millisecond, Held: 2 * time.Second, Maintenance: time.Second}
}

// take claims the order, or fails the test.
func (f *journalFixture) take(token string) *journal.Claim {
	f.t.Helper()
	c, err := f.Claim(f.t.Context(), f.id, token)
	if err != nil || c.Status != journal.ClaimOurs {
		f.t.Fatalf("claim by %s: status %d, %v", token, c.Status, err)
	}
	return &c
}

// lapse ends the lease of the attempt that has the order, as time would.
func (f *journalFixture) lapse() {
	f.t.Helper()
	if err := f.Redis.HSet(f.t.Context(), f.Keys.Order(f.id), "lease_until", 1).Err(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *journalFixture) field(name string) string {
	f.t.Helper()
	v, err := f.Redis.HGet(f.t.Context(), f.Keys.Order(f.id), name).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		f.t.Fatal(err)
	}
	return v
}

func (f *journalFixture) want(state, createsSent, reissues string) {
	f.t.Helper()
	if got := [3]string{f.field("state"), f.field("creates_sent"), f.field("reissues")}; got != [3]string{state, createsSent, reissues} {
		f.t.Fatalf("state, creates_sent, reissues are %v, want %v", got, [3]string{state, createsSent, reissues})
	}
}

// published counts the entries of the result stream.
func (f *journalFixture) published() int64 {
	f.t.Helper()
	n, err := f.Redis.XLen(f.t.Context(), f.Keys.Results()).Result()
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func (f *journalFixture) isDue() bool {
	return f.Redis.ZScore(f.t.Context(), f.Keys.Due(), f.id).Err() == nil
}

func lost(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, journal.ErrLost) {
		t.Fatalf("error %v, want %v", err, journal.ErrLost)
	}
}

func outcome(o tasks.Outcome) tasks.Result { return tasks.Result{Outcome: string(o)} }

func TestClaim_AnswersEveryCase(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	if c, err := f.Claim(ctx, "default:nobody", "a"); err != nil || c.Status != journal.ClaimNone {
		t.Errorf("an order that is not there: status %d, %v", c.Status, err)
	}
	first := f.take("a")
	if first.Attempts != 1 || first.State != policy.StateNew || len(first.Order) == 0 || first.AcceptedAt.IsZero() {
		t.Errorf("the claim does not tell the journal: %+v", first)
	}
	if again := f.take("a"); again.Attempts != 1 {
		t.Errorf("a repeated claim counts as attempt %d", again.Attempts)
	}
	if c, err := f.Claim(ctx, f.id, "b"); err != nil || c.Status != journal.ClaimBusy {
		t.Errorf("held by another: status %d, %v", c.Status, err)
	}
	f.lapse()
	if c := f.take("b"); c.Attempts != 2 {
		t.Errorf("the second attempt is number %d", c.Attempts)
	}
	_, err := f.Settle(ctx, &journal.Claim{ID: f.id, Token: "b"}, outcome(tasks.Expired))
	ok(t, err)
	if c, err := f.Claim(ctx, f.id, "c"); err != nil || c.Status != journal.ClaimSettled {
		t.Errorf("settled: status %d, %v", c.Status, err)
	}
}

func TestIntent_IsWrittenOncePerCreate(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	c := f.take("a")
	ok(t, f.Intent(ctx, c))
	f.want("SENT", "1", "0")
	c.CreatesSent = 0 // the reply was lost, the script is repeated
	ok(t, f.Intent(ctx, c))
	f.want("SENT", "1", "0")
	ok(t, f.Intent(ctx, c)) // a resend
	f.want("SENT", "2", "0")
}

func TestIntent_NeedsTheLeaseForTheWholeCall(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	c := f.take("a")
	soon := time.Now().Add(f.Times.Call / 2).UnixMilli()
	ok(t, f.Redis.HSet(ctx, f.Keys.Order(f.id), "lease_until", soon).Err())
	lost(t, f.Intent(ctx, c))
	f.lapse()
	lost(t, f.Intent(ctx, c))
	f.want("NEW", "0", "0")
}

func TestJournal_RefusesAStaleLease(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	old := f.take("a")
	ok(t, f.Intent(ctx, old))
	f.lapse()
	f.take("b")
	lost(t, f.Intent(ctx, old))
	lost(t, f.Retract(ctx, old))
	lost(t, f.CloseIntent(ctx, old))
	lost(t, f.Reissue(ctx, old))
	lost(t, f.Release(ctx, old, 0, false, event.DeferDoubt, nil))
	for _, o := range []tasks.Outcome{tasks.Rejected, tasks.Expired, tasks.Unresolved} {
		_, err := f.Settle(ctx, old, outcome(o))
		lost(t, err)
	}
	f.want("SENT", "1", "0")
	if f.published() != 0 || !f.isDue() {
		t.Error("a stranger published something, or took the order out of due")
	}
}

func TestRetract_IsForTheSoleSender(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	c := f.take("a")
	ok(t, f.Intent(ctx, c))
	ok(t, f.Retract(ctx, c))
	f.want("NEW", "0", "0")
	ok(t, f.Retract(ctx, c)) // repeated
	ok(t, f.Intent(ctx, c))
	f.lapse()
	other := f.take("b") // a's create may still be on its way
	lost(t, f.Retract(ctx, other))
	ok(t, f.Intent(ctx, other))
	lost(t, f.Retract(ctx, other)) // two have been sent
	f.want("SENT", "2", "0")
}

func TestClose_ForbidsTheQRCode(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	c := f.take("a")
	lost(t, f.CloseIntent(ctx, c)) // nothing was sent: nothing to close
	ok(t, f.Intent(ctx, c))
	ok(t, f.CloseIntent(ctx, c))
	ok(t, f.CloseIntent(ctx, c)) // a second close of the same number
	f.want("CLOSING", "1", "0")
	_, err := f.Settle(ctx, c, outcome(tasks.Created))
	lost(t, err)
	lost(t, f.Intent(ctx, c)) // and nothing is sent under it any more
}

func TestReissue_TakesTheNextNumberOnce(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	c := f.take("a")
	lost(t, f.Reissue(ctx, c)) // nothing was sent under the first
	ok(t, f.Intent(ctx, c))
	ok(t, f.Reissue(ctx, c))
	f.want("NEW", "0", "1")
	c.Reissues = 0 // the reply was lost, the script is repeated
	ok(t, f.Reissue(ctx, c))
	f.want("NEW", "0", "1")
	_, err := f.Settle(ctx, &journal.Claim{ID: f.id, Token: "a", Reissues: 0}, outcome(tasks.Created))
	lost(t, err) // the QR code of the old number
}

// reissueAndIntend takes the order to its second number and writes the intent there.
func (f *journalFixture) reissueAndIntend(c *journal.Claim) error {
	f.t.Helper()
	ok(f.t, f.Intent(f.t.Context(), c))
	ok(f.t, f.Reissue(f.t.Context(), c))
	return f.Intent(f.t.Context(), c)
}

// The number under which an order is issued again is one that a producer may use.
func TestReissue_ReservesItsNumberAgainstProducers(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	c := f.take("a")
	ok(t, f.reissueAndIntend(c))
	ok(t, f.Intent(ctx, c)) // a resend under the number that is ours already
	f.want("SENT", "2", "1")
	_, err := tasks.NewProducer(f.Redis, f.Keys).Accept(ctx, anOrder("A1_2").WithDefaults(time.Now()))
	var conflict *tasks.ConflictError
	if !errors.As(err, &conflict) || conflict.State != "RESERVED" {
		t.Errorf("a producer used the number: %v", err)
	}
	if c, err := f.Claim(ctx, "default:A1_2", "b"); err != nil || c.Status != journal.ClaimReserved {
		t.Errorf("a reservation was claimed: status %d, %v", c.Status, err)
	}
	if ttl := f.Redis.PTTL(ctx, f.Keys.Order("default:A1_2")).Val(); ttl < timing.Retention {
		t.Errorf("the reservation is kept for %s", ttl)
	}
}

func TestReissue_StepsAsideForAProducersNumber(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	_, err := tasks.NewProducer(f.Redis, f.Keys).Accept(ctx, anOrder("A1_2").WithDefaults(time.Now()))
	ok(t, err)
	c := f.take("a")
	if err := f.reissueAndIntend(c); !errors.Is(err, journal.ErrNumberTaken) {
		t.Fatalf("error %v, want %v", err, journal.ErrNumberTaken)
	}
	f.want("NEW", "0", "2")
	ok(t, f.Intent(ctx, c))
	f.want("SENT", "1", "2")
}

func TestSettle_PublishesOnce(t *testing.T) {
	t.Parallel()
	for _, o := range tasks.Outcomes() {
		t.Run(string(o), func(t *testing.T) {
			t.Parallel()
			f := newJournalFixture(t)
			ctx := t.Context()
			c := f.take("a")
			ok(t, f.Intent(ctx, c))
			for range 2 { // the second is a repetition after a lost reply
				published, err := f.Settle(ctx, c, outcome(o))
				ok(t, err)
				if !published {
					t.Error("not published")
				}
			}
			published, err := f.Settle(ctx, &journal.Claim{ID: f.id, Token: "b"}, outcome(tasks.Created))
			ok(t, err)
			if published || f.published() != 1 {
				t.Errorf("published again: %t, %d entries", published, f.published())
			}
			if f.isDue() {
				t.Error("still due")
			}
			if ttl := f.Redis.PTTL(ctx, f.Keys.Order(f.id)).Val(); ttl < timing.Retention-time.Minute {
				t.Errorf("the journal is kept for %s", ttl)
			}
		})
	}
}

// The attempt with the QR code of the current number publishes it, in time or not: the
// order stands, and nobody else can have its QR code.
func TestSettle_PublishesALateQRCodeAllTheSame(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	late := f.take("a")
	ok(t, f.Intent(ctx, late))
	f.lapse()
	f.take("b")
	published, err := f.Settle(ctx, late, outcome(tasks.Created))
	ok(t, err)
	if !published {
		t.Error("not published")
	}
}

func TestSettle_CreatesNothingThatWasNotSent(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	_, err := f.Settle(t.Context(), f.take("a"), outcome(tasks.Created))
	lost(t, err)
	_, err = f.Settle(t.Context(), &journal.Claim{ID: "default:nobody"}, outcome(tasks.Created))
	lost(t, err)
}

func TestRelease_SaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	c := f.take("a")
	ok(t, f.Release(ctx, c, time.Hour, true, event.DeferDoubt, nil))
	lost(t, f.Release(ctx, c, 0, false, event.DeferDoubt, nil)) // it was deferred already
	due := time.UnixMilli(int64(f.Redis.ZScore(ctx, f.Keys.Due(), f.id).Val()))
	if wait := time.Until(due); wait < 59*time.Minute || wait > 61*time.Minute {
		t.Errorf("due in %s", wait)
	}
	if next := f.take("b"); next.NotFound != 1 || f.field("deferred_for") != "doubt" {
		t.Errorf("not_found %d, deferred for %q", next.NotFound, f.field("deferred_for"))
	}
}

func TestSweep_HandsEachOrderToOne(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	ok(t, f.Redis.ZAdd(ctx, f.Keys.Due(), redis.Z{Score: 1, Member: f.id}, redis.Z{Score: 2, Member: "default:ghost"}).Err())
	found, err := f.Sweep(ctx, 10, time.Minute, time.Hour)
	due, next := found.Due, found.Next
	ok(t, err)
	if len(due) != 2 || due[0].ID != f.id || due[0].Lane != tasks.Bulk || due[0].Attempts != "0" || len(due[0].Order) == 0 {
		t.Fatalf("swept %+v", due)
	}
	if next < 50*time.Second || next > time.Minute {
		t.Errorf("the next is due in %s, want a minute", next)
	}
	if due[1].Lane != "" {
		t.Errorf("an order whose journal is gone has a lane: %+v", due[1])
	}
	if again, err := f.Sweep(ctx, 10, time.Minute, time.Hour); err != nil || len(again.Due) != 0 {
		t.Errorf("swept twice: %+v, %v", again, err)
	}
}

func TestSweep_TellsWhenNothingWaits(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ok(t, f.Redis.Del(t.Context(), f.Keys.Due()).Err())
	if found, err := f.Sweep(t.Context(), 10, time.Minute, time.Hour); err != nil || found.Next >= 0 {
		t.Errorf("nothing waits, and the next is due in %s, %v", found.Next, err)
	}
}

// An order that nobody gets to is looked at less and less often; a claim starts over.
func TestSweep_LooksLessAndLessOften(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	pause := func() time.Duration {
		ok(t, f.Redis.ZAdd(ctx, f.Keys.Due(), redis.Z{Score: 1, Member: f.id}).Err())
		_, err := f.Sweep(ctx, 10, time.Minute, 3*time.Minute)
		ok(t, err)
		at := time.UnixMilli(int64(f.Redis.ZScore(ctx, f.Keys.Due(), f.id).Val()))
		return time.Until(at).Round(time.Minute)
	}
	var got []string
	for range 4 {
		got = append(got, fmt.Sprint(pause()))
	}
	f.take("a")
	got = append(got, fmt.Sprint(pause()))
	if want := "1m0s 2m0s 3m0s 3m0s 1m0s"; strings.Join(got, " ") != want {
		t.Errorf("pauses %v, want %s", got, want)
	}
}

// A script that touches keys of two slots fails on a cluster and nowhere else.
func TestJournal_KeepsEveryKeyOfAScriptInOneSlot(t *testing.T) {
	t.Parallel()
	keys := tasks.Keys{Prefix: "{eu}"}
	for _, k := range []string{keys.Order("m:A1"), keys.Due(), keys.Results(), keys.Rejected(), keys.Calls("APP"), keys.Calls("APP") + ":state"} {
		if !strings.HasPrefix(k, "{eu}:") {
			t.Errorf("%s has another hash tag", k)
		}
	}
}

// The settling script must not be repeated by go-redis into a second entry.
func TestJournal_NamesTheStepInItsErrors(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Intent(ctx, &journal.Claim{ID: f.id}); err == nil || !strings.Contains(err.Error(), "intent") {
		t.Errorf("error %v does not name the step", err)
	}
}
