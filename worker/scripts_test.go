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
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
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
		LandingTime: 300 * time.Millisecond, Doubt: 100 * time.Millisecond, MaxDoubt: time.Second, CloseAgain: 100 * time.Millisecond, Alone: 100 * time.Millisecond, Held: 2 * time.Second, Maintenance: time.Second}
}

// quickTimes are the worker's own times on a smaller scale, for what depends on
// calls that run out of time.
func quickTimes() timing.Times {
	return timing.Times{Call: 500 * time.Millisecond, Attempt: 1500 * time.Millisecond, Lease: 2 * time.Second,
		LandingTime: 2500 * time.Millisecond, Doubt: 100 * time.Millisecond, MaxDoubt: time.Second, CloseAgain: 100 * time.Millisecond, Alone: 100 * time.Millisecond, Held: 2 * time.Second, Maintenance: time.Second}
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
	c.CreatesSent = 0 // an attempt that knows of one create less than there were
	lost(t, f.Intent(ctx, c))
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

// An attempt may die before it has asked about what was refused. The next one takes it back when
// every create under the number was refused for the configuration, and only then.
func TestRetract_IsForAnybodyWhenEveryCreateWasRefused(t *testing.T) {
	t.Parallel()
	for first, want := range map[policy.Verdict]error{policy.Holding: nil, policy.Open: journal.ErrLost, policy.Refusing: nil, policy.NoVerdict: journal.ErrLost} {
		f := newJournalFixture(t)
		ctx := t.Context()
		c := f.take("a")
		for _, verdict := range []policy.Verdict{first, policy.Holding} {
			ok(t, f.Intent(ctx, c))
			ok(t, f.Answered(ctx, c, policy.Answer{HTTPStatus: 200}, verdict))
		}
		f.lapse()
		if err := f.Retract(ctx, f.take("b")); !errors.Is(err, want) {
			t.Errorf("verdicts %d and holding: %v, want %v", first, err, want)
		}
	}
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

// dueSince makes orders due, the first one for longest, and accepts those that do not exist.
func (f *journalFixture) dueSince(numbers ...string) {
	f.t.Helper()
	for i, number := range numbers {
		o := anOrder(number)
		if strings.HasPrefix(number, "I") {
			o.Lane = tasks.Interactive
		}
		_, err := tasks.NewProducer(f.Redis, f.Keys).Accept(f.t.Context(), o.WithDefaults(time.Now()))
		ok(f.t, err)
		ok(f.t, f.Redis.ZAdd(f.t.Context(), f.Keys.Due(), redis.Z{Score: float64(i + 1), Member: o.WithDefaults(time.Now()).ID()}).Err())
	}
}

// claimDue returns the out_trade_no of the orders that are claimed with room for so many.
func (f *journalFixture) claimDue(room journal.Room) []string {
	f.t.Helper()
	due, err := f.ClaimDue(f.t.Context(), room)
	ok(f.t, err)
	var numbers []string
	for _, c := range due.Claims {
		numbers = append(numbers, strings.TrimPrefix(c.ID, "default:"))
	}
	return numbers
}

// An order that is due is claimed by one process, as with its task, and is due again at the end
// of its lease.
func TestClaimDue_ClaimsEachOrderOnce(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	f.dueSince("A1")
	due, err := f.ClaimDue(t.Context(), journal.Room{tasks.Bulk: 9})
	ok(t, err)
	if len(due.Claims) != 1 {
		t.Fatalf("claimed %+v", due)
	}
	if due.Next < f.Times.Lease-time.Second || due.Next > f.Times.Lease {
		t.Errorf("the next is due in %s, want the lease of %s", due.Next, f.Times.Lease)
	}
	if again := f.claimDue(journal.Room{tasks.Bulk: 9}); len(again) != 0 {
		t.Errorf("claimed twice: %v", again)
	}
	c := due.Claims[0]
	if c.ID != f.id || c.Lane != tasks.Bulk || c.Attempts != 1 || len(c.Order) == 0 || f.field("token") != c.Token {
		t.Errorf("claim %+v, the journal has the token %q", c, f.field("token"))
	}
	if other, err := f.Claim(t.Context(), f.id, "b"); err != nil || other.Status != journal.ClaimBusy {
		t.Errorf("a task's claim: %+v, %v", other, err)
	}
	ok(t, f.Intent(t.Context(), &c.Claim))
}

func TestClaimDue_KeepsToTheRoomOfEachLane(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	f.dueSince("B1", "B2", "I1", "B3", "I2")
	for _, want := range []string{"B1 B2 I1", "B3 I2", ""} {
		if got := strings.Join(f.claimDue(journal.Room{tasks.Interactive: 1, tasks.Bulk: 2}), " "); got != want {
			t.Errorf("claimed %q, want %q", got, want)
		}
	}
	f.dueSince("B4")
	if got := f.claimDue(journal.Room{tasks.Interactive: 5}); len(got) != 0 {
		t.Errorf("claimed %v without room", got)
	}
	if got := f.claimDue(nil); len(got) != 0 {
		t.Errorf("claimed %v without any room", got)
	}
}

// However many orders of a full lane are due, those of the other one get their turn, and those of
// the full one keep theirs.
func TestClaimDue_AFullLaneHidesNotTheOther(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ok(t, f.Redis.Del(t.Context(), f.Keys.Due()).Err())
	bulk := make([]tasks.Order, 1500)
	for i := range bulk {
		bulk[i] = anOrder(fmt.Sprintf("B%04d", i)).WithDefaults(time.Now())
	}
	_, err := tasks.NewProducer(f.Redis, f.Keys).EnqueueAll(t.Context(), bulk)
	ok(t, err)
	var scores []redis.Z
	for i, o := range bulk {
		scores = append(scores, redis.Z{Score: float64(len(bulk) - i), Member: o.ID()})
	}
	f.dueSince("I1")
	ok(t, f.Redis.ZAdd(t.Context(), f.Keys.Due(), append(scores, redis.Z{Score: 9999, Member: "default:I1"})...).Err())
	got := append(f.claimDue(journal.Room{tasks.Interactive: 1}), f.claimDue(journal.Room{tasks.Interactive: 1})...)
	if strings.Join(got, " ") != "I1" {
		t.Errorf("claimed %v, want the interactive order", got)
	}
	if got := strings.Join(f.claimDue(journal.Room{tasks.Bulk: 3}), " "); got != "B1499 B1498 B1497" {
		t.Errorf("claimed %s, want the orders that were due first", got)
	}
}

// An order may become due while an attempt has it, for example when a producer repeats it.
func TestClaimDue_LeavesAnOrderToItsAttempt(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	f.take("a")
	f.dueSince("A1")
	if got := f.claimDue(journal.Room{tasks.Bulk: 1}); len(got) != 0 || f.field("token") != "a" {
		t.Errorf("claimed %v, held by %q", got, f.field("token"))
	}
	due := time.UnixMilli(int64(f.Redis.ZScore(t.Context(), f.Keys.Due(), f.id).Val()))
	if in := time.Until(due); in < f.Times.Lease-time.Second || in > f.Times.Lease {
		t.Errorf("due in %s, want the rest of its lease", in)
	}
}

func TestClaimDue_TellsWhenNothingWaits(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ok(t, f.Redis.Del(t.Context(), f.Keys.Due()).Err())
	if due, err := f.ClaimDue(t.Context(), journal.Room{tasks.Bulk: 1}); err != nil || due.Next >= 0 {
		t.Errorf("nothing waits, and the next is due in %s, %v", due.Next, err)
	}
}

// Whatever a journal holds, the script answers, claims the sound order behind it, and names the
// damage. Damaged orders stay in due, and are not looked at again for long.
func TestClaimDue_NamesADamagedJournalAndGoesOn(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	damage := map[string]string{"state": "FOO", "lane": "express", "attempts": "many", "reissues": "1.5", "creates_sent": "-1",
		"not_found": "nan", "accepted_at": "", "first_sent_at": "1e308", "sent_at": "x", "lease_until": "9999999999999999", "first_attempt_at": "inf",
		"number": "0"} // the last is a field of format 1
	want := map[string]string{"default:GHOST": "gone", "default:STRING": "WRONGTYPE", "default:DONE": "result", "default:RESERVED": "reserved"}
	for field, value := range damage {
		f.dueSince(field)
		ok(t, f.Redis.HSet(ctx, f.Keys.Order("default:"+field), field, value).Err())
		want["default:"+field] = field
	}
	f.dueSince("GHOST", "STRING", "DONE", "RESERVED")
	ok(t, f.Redis.Del(ctx, f.Keys.Order("default:GHOST")).Err())
	ok(t, f.Redis.Set(ctx, f.Keys.Order("default:STRING"), "x", 0).Err())
	for _, state := range []string{"DONE", "RESERVED"} {
		ok(t, f.Redis.HSet(ctx, f.Keys.Order("default:"+state), "state", state).Err())
	}
	ok(t, f.Redis.ZAdd(ctx, f.Keys.Due(), redis.Z{Score: 999, Member: f.id}).Err())
	due, err := f.ClaimDue(ctx, journal.Room{tasks.Bulk: 1, tasks.Interactive: 1})
	ok(t, err)
	if len(due.Claims) != 1 || due.Claims[0].ID != f.id {
		t.Errorf("claimed %+v, want the sound order", due.Claims)
	}
	for _, d := range due.Damaged {
		if what := want[d.ID]; what == "" || !strings.Contains(d.Problem, what) {
			t.Errorf("%s: %q, want %q", d.ID, d.Problem, what)
		}
		at := time.UnixMilli(int64(f.Redis.ZScore(ctx, f.Keys.Due(), d.ID).Val()))
		if in := time.Until(at); in < timing.DamagedAgain-time.Minute {
			t.Errorf("%s is looked at again in %s", d.ID, in)
		}
		delete(want, d.ID)
	}
	if len(want) != 0 {
		t.Errorf("not named: %v", want)
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
