package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// desk is a journal on a Redis of its own, with one order accepted.
type desk struct {
	*journal
	t  *testing.T
	id string
}

func newDesk(t *testing.T) *desk {
	rdb := redistest.Start(t).Client(t)
	d := &desk{t: t, id: "default:A1",
		journal: &journal{rdb: rdb, scripts: newBatched(rdb), keys: tasks.Keys{Prefix: tasks.DefaultPrefix}, times: quickTimes()}}
	if _, err := tasks.NewProducer(rdb, d.keys).Accept(t.Context(), anOrder("A1").WithDefaults(time.Now())); err != nil {
		t.Fatal(err)
	}
	return d
}

// calmTimes leave calls all the time they want, so that a slow machine changes
// nothing, and doubt next to none: right where nothing is ever under way unseen.
func calmTimes() times {
	return times{call: 10 * time.Second, attempt: 12 * time.Second, lease: 14 * time.Second,
		quiet: 300 * time.Millisecond, doubt: 100 * time.Millisecond, longest: time.Second, busy: time.Second}
}

// quickTimes are the worker's own times on a smaller scale, for what depends on
// calls that run out of time.
func quickTimes() times {
	return times{call: 500 * time.Millisecond, attempt: 1500 * time.Millisecond, lease: 2 * time.Second,
		quiet: 2500 * time.Millisecond, doubt: 100 * time.Millisecond, longest: time.Second, busy: time.Second}
}

// take claims the order, or fails the test.
func (d *desk) take(token string) *claim {
	d.t.Helper()
	c, err := d.claim(d.t.Context(), d.id, token)
	if err != nil || c.status != claimOurs {
		d.t.Fatalf("claim by %s: status %d, %v", token, c.status, err)
	}
	return &c
}

// lapse ends the lease of whoever holds the order, as time would.
func (d *desk) lapse() {
	d.t.Helper()
	if err := d.rdb.HSet(d.t.Context(), d.keys.Order(d.id), "lease_until", 1).Err(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) field(name string) string {
	d.t.Helper()
	v, err := d.rdb.HGet(d.t.Context(), d.keys.Order(d.id), name).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		d.t.Fatal(err)
	}
	return v
}

func (d *desk) want(state, sends, number string) {
	d.t.Helper()
	if got := [3]string{d.field("state"), d.field("sends"), d.field("number")}; got != [3]string{state, sends, number} {
		d.t.Fatalf("state, sends, number are %v, want %v", got, [3]string{state, sends, number})
	}
}

// published counts the entries of the result stream.
func (d *desk) published() int64 {
	d.t.Helper()
	n, err := d.rdb.XLen(d.t.Context(), d.keys.Results()).Result()
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *desk) isDue() bool {
	return d.rdb.ZScore(d.t.Context(), d.keys.Due(), d.id).Err() == nil
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lost(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, errLost) {
		t.Fatalf("error %v, want %v", err, errLost)
	}
}

func outcome(o tasks.Outcome) tasks.Result { return tasks.Result{Outcome: string(o)} }

func TestClaim_AnswersEveryCase(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	if c, err := d.claim(ctx, "default:nobody", "a"); err != nil || c.status != claimNone {
		t.Errorf("an order that is not there: status %d, %v", c.status, err)
	}
	first := d.take("a")
	if first.attempts != 1 || first.state != stateNew || len(first.order) == 0 || first.acceptedAt.IsZero() {
		t.Errorf("the claim does not tell the journal: %+v", first)
	}
	if again := d.take("a"); again.attempts != 1 {
		t.Errorf("a repeated claim counts as attempt %d", again.attempts)
	}
	if c, err := d.claim(ctx, d.id, "b"); err != nil || c.status != claimBusy {
		t.Errorf("held by another: status %d, %v", c.status, err)
	}
	d.lapse()
	if c := d.take("b"); c.attempts != 2 {
		t.Errorf("the second attempt is number %d", c.attempts)
	}
	_, err := d.settle(ctx, &claim{id: d.id, token: "b"}, outcome(tasks.Expired))
	ok(t, err)
	if c, err := d.claim(ctx, d.id, "c"); err != nil || c.status != claimSettled {
		t.Errorf("settled: status %d, %v", c.status, err)
	}
}

func TestIntent_IsWrittenOncePerCreate(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	c := d.take("a")
	ok(t, d.intent(ctx, c))
	d.want("SENT", "1", "0")
	c.sends = 0 // the reply was lost, the script is repeated
	ok(t, d.intent(ctx, c))
	d.want("SENT", "1", "0")
	ok(t, d.intent(ctx, c)) // a resend
	d.want("SENT", "2", "0")
}

func TestIntent_NeedsTheLeaseForTheWholeCall(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	c := d.take("a")
	soon := time.Now().Add(d.times.call / 2).UnixMilli()
	ok(t, d.rdb.HSet(ctx, d.keys.Order(d.id), "lease_until", soon).Err())
	lost(t, d.intent(ctx, c))
	d.lapse()
	lost(t, d.intent(ctx, c))
	d.want("NEW", "0", "0")
}

func TestJournal_RefusesAStaleLease(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	old := d.take("a")
	ok(t, d.intent(ctx, old))
	d.lapse()
	d.take("b")
	lost(t, d.intent(ctx, old))
	lost(t, d.retract(ctx, old))
	lost(t, d.void(ctx, old))
	lost(t, d.mint(ctx, old))
	lost(t, d.release(ctx, old, 0, false, DeferDoubt, nil))
	for _, o := range []tasks.Outcome{tasks.Rejected, tasks.Expired, tasks.Unresolved} {
		_, err := d.settle(ctx, old, outcome(o))
		lost(t, err)
	}
	d.want("SENT", "1", "0")
	if d.published() != 0 || !d.isDue() {
		t.Error("a stranger published something, or took the order out of due")
	}
}

func TestRetract_IsForTheSoleSender(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	c := d.take("a")
	ok(t, d.intent(ctx, c))
	ok(t, d.retract(ctx, c))
	d.want("NEW", "0", "0")
	ok(t, d.retract(ctx, c)) // repeated
	ok(t, d.intent(ctx, c))
	d.lapse()
	other := d.take("b") // a's create may still be on its way
	lost(t, d.retract(ctx, other))
	ok(t, d.intent(ctx, other))
	lost(t, d.retract(ctx, other)) // two have been sent
	d.want("SENT", "2", "0")
}

func TestClose_ForbidsTheQRCode(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	c := d.take("a")
	lost(t, d.void(ctx, c)) // nothing was sent: nothing to close
	ok(t, d.intent(ctx, c))
	ok(t, d.void(ctx, c))
	ok(t, d.void(ctx, c)) // a second close of the same number
	d.want("VOIDING", "1", "0")
	_, err := d.settle(ctx, c, outcome(tasks.Created))
	lost(t, err)
	lost(t, d.intent(ctx, c)) // and nothing is sent under it any more
}

func TestReissue_TakesTheNextNumberOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	c := d.take("a")
	lost(t, d.mint(ctx, c)) // nothing was sent under the first
	ok(t, d.intent(ctx, c))
	ok(t, d.mint(ctx, c))
	d.want("NEW", "0", "1")
	c.number = 0 // the reply was lost, the script is repeated
	ok(t, d.mint(ctx, c))
	d.want("NEW", "0", "1")
	_, err := d.settle(ctx, &claim{id: d.id, token: "a", number: 0}, outcome(tasks.Created))
	lost(t, err) // the QR code of the old number
}

// reissue takes the order to its second number and writes the intent there.
func (d *desk) reissue(c *claim) error {
	d.t.Helper()
	ok(d.t, d.intent(d.t.Context(), c))
	ok(d.t, d.mint(d.t.Context(), c))
	return d.intent(d.t.Context(), c)
}

// The number under which an order is issued again is one that a producer may use.
func TestReissue_ReservesItsNumberAgainstProducers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	c := d.take("a")
	ok(t, d.reissue(c))
	ok(t, d.intent(ctx, c)) // a resend under the number that is ours already
	d.want("SENT", "2", "1")
	_, err := tasks.NewProducer(d.rdb, d.keys).Accept(ctx, anOrder("A1_2").WithDefaults(time.Now()))
	var conflict *tasks.ConflictError
	if !errors.As(err, &conflict) || conflict.State != "RESERVED" {
		t.Errorf("a producer used the number: %v", err)
	}
	if c, err := d.claim(ctx, "default:A1_2", "b"); err != nil || c.status != claimReserved {
		t.Errorf("a reservation was claimed: status %d, %v", c.status, err)
	}
	if ttl := d.rdb.PTTL(ctx, d.keys.Order("default:A1_2")).Val(); ttl < retention {
		t.Errorf("the reservation is kept for %s", ttl)
	}
}

func TestReissue_StepsAsideForAProducersNumber(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	_, err := tasks.NewProducer(d.rdb, d.keys).Accept(ctx, anOrder("A1_2").WithDefaults(time.Now()))
	ok(t, err)
	c := d.take("a")
	if err := d.reissue(c); !errors.Is(err, errTaken) {
		t.Fatalf("error %v, want %v", err, errTaken)
	}
	d.want("NEW", "0", "2")
	ok(t, d.intent(ctx, c))
	d.want("SENT", "1", "2")
}

func TestSettle_PublishesOnce(t *testing.T) {
	t.Parallel()
	for _, o := range tasks.Outcomes() {
		t.Run(string(o), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			ctx := t.Context()
			c := d.take("a")
			ok(t, d.intent(ctx, c))
			for range 2 { // the second is a repetition after a lost reply
				published, err := d.settle(ctx, c, outcome(o))
				ok(t, err)
				if !published {
					t.Error("not published")
				}
			}
			published, err := d.settle(ctx, &claim{id: d.id, token: "b"}, outcome(tasks.Created))
			ok(t, err)
			if published || d.published() != 1 {
				t.Errorf("published again: %t, %d entries", published, d.published())
			}
			if d.isDue() {
				t.Error("still due")
			}
			if ttl := d.rdb.PTTL(ctx, d.keys.Order(d.id)).Val(); ttl < retention-time.Minute {
				t.Errorf("the journal is kept for %s", ttl)
			}
		})
	}
}

// Whoever has the QR code of the current number publishes it, in time or not: the
// order stands, and nobody else can have its QR code.
func TestSettle_PublishesALateQRCodeAllTheSame(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	late := d.take("a")
	ok(t, d.intent(ctx, late))
	d.lapse()
	d.take("b")
	published, err := d.settle(ctx, late, outcome(tasks.Created))
	ok(t, err)
	if !published {
		t.Error("not published")
	}
}

func TestSettle_CreatesNothingThatWasNotSent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.settle(t.Context(), d.take("a"), outcome(tasks.Created))
	lost(t, err)
	_, err = d.settle(t.Context(), &claim{id: "default:nobody"}, outcome(tasks.Created))
	lost(t, err)
}

func TestRelease_SaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	c := d.take("a")
	ok(t, d.release(ctx, c, time.Hour, true, DeferDoubt, nil))
	lost(t, d.release(ctx, c, 0, false, DeferDoubt, nil)) // it is put down already
	due := time.UnixMilli(int64(d.rdb.ZScore(ctx, d.keys.Due(), d.id).Val()))
	if wait := time.Until(due); wait < 59*time.Minute || wait > 61*time.Minute {
		t.Errorf("due in %s", wait)
	}
	if next := d.take("b"); next.absents != 1 || d.field("waits_for") != "doubt" {
		t.Errorf("absents %d, waits for %q", next.absents, d.field("waits_for"))
	}
}

func TestSweep_HandsEachOrderToOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	ok(t, d.rdb.ZAdd(ctx, d.keys.Due(), redis.Z{Score: 1, Member: d.id}, redis.Z{Score: 2, Member: "default:ghost"}).Err())
	found, err := d.sweep(ctx, 10, time.Minute, time.Hour)
	due, next := found.due, found.next
	ok(t, err)
	if len(due) != 2 || due[0].id != d.id || due[0].lane != tasks.Bulk || due[0].attempts != "0" || len(due[0].order) == 0 {
		t.Fatalf("swept %+v", due)
	}
	if next < 50*time.Second || next > time.Minute {
		t.Errorf("the next is due in %s, want a minute", next)
	}
	if due[1].lane != "" {
		t.Errorf("an order whose journal is gone has a lane: %+v", due[1])
	}
	if again, err := d.sweep(ctx, 10, time.Minute, time.Hour); err != nil || len(again.due) != 0 {
		t.Errorf("swept twice: %+v, %v", again, err)
	}
}

func TestSweep_TellsWhenNothingWaits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ok(t, d.rdb.Del(t.Context(), d.keys.Due()).Err())
	if found, err := d.sweep(t.Context(), 10, time.Minute, time.Hour); err != nil || found.next >= 0 {
		t.Errorf("nothing waits, and the next is due in %s, %v", found.next, err)
	}
}

// An order that nobody gets to is looked at less and less often; a claim starts over.
func TestSweep_LooksLessAndLessOften(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	pause := func() time.Duration {
		ok(t, d.rdb.ZAdd(ctx, d.keys.Due(), redis.Z{Score: 1, Member: d.id}).Err())
		_, err := d.sweep(ctx, 10, time.Minute, 3*time.Minute)
		ok(t, err)
		at := time.UnixMilli(int64(d.rdb.ZScore(ctx, d.keys.Due(), d.id).Val()))
		return time.Until(at).Round(time.Minute)
	}
	var got []string
	for range 4 {
		got = append(got, fmt.Sprint(pause()))
	}
	d.take("a")
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
	d := newDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.intent(ctx, &claim{id: d.id}); err == nil || !strings.Contains(err.Error(), "intent") {
		t.Errorf("error %v does not name the step", err)
	}
}
