package policy

import (
	"slices"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// everyFacts calls yield with every combination of facts there is: 5,308,416.
func everyFacts(yield func(Facts) bool) {
	for r := Nothing; r < replies; r++ {
		for s := StateNew; s < States; s++ {
			for v := NoVerdict; v < Verdicts; v++ {
				for bits := range 1 << flags {
					if !yield(factsOf(r, s, v, bits)) {
						return
					}
				}
			}
		}
	}
}

// flags is how many facts are true or false.
const flags = 14

func factsOf(r Reply, s State, v Verdict, bits int) Facts {
	return Facts{Reply: r, State: s, Verdict: v,
		OnlyCreate: bits&1 != 0, CreateMayLand: bits>>1&1 != 0, NotFoundBefore: bits>>2&1 != 0, CloseSentHere: bits>>3&1 != 0,
		PastDeadline: bits>>4&1 != 0, PastDoubtTimeout: bits>>5&1 != 0, Patient: bits>>6&1 != 0, Close: bits>>7&1 != 0,
		TooEarlyToClose: bits>>8&1 != 0, Reissue: bits>>9&1 != 0, Reopened: bits>>10&1 != 0, Resend: bits>>11&1 != 0,
		Unique: bits>>12&1 != 0, Cancel: bits>>13&1 != 0}
}

// Each rule says when a step is allowed at all. They are written from the design's
// invariants and not from the policy, so that the two check each other.
func TestPolicy_KeepsTheRulesForEveryCombinationOfFacts(t *testing.T) {
	t.Parallel()
	in := func(r Reply, set ...Reply) bool { return slices.Contains(set, r) }
	rules := []struct {
		name string
		step func(Step) bool
		only func(Facts) bool // when the step may be taken
	}{
		{"a create leaves only for a new number, or when nothing was found twice and nothing is on its way",
			func(s Step) bool { return s.Do == Create },
			func(f Facts) bool {
				first := f.Reply == Nothing && f.State == StateNew
				landed := !f.CreateMayLand || f.Verdict == Failing
				again := f.Reply == NotFound && f.State == StateSent && landed && f.NotFoundBefore && f.Resend
				return !f.PastDeadline && !f.Cancel && (first || again)
			}},
		{"a new number only when the gateway has shown the old one closed",
			func(s Step) bool { return s.Do == Reissue },
			func(f Facts) bool {
				return in(f.Reply, Closed, Failed, Declined) && f.Reissue && !f.PastDeadline && !f.Cancel
			}},
		{"a close only when the order stands unpaid, and is old enough for its wallet",
			func(s Step) bool { return s.Do == CloseOrder },
			func(f Facts) bool { return f.Reply == Unpaid && f.Close && !f.CloseSentHere && !f.TooEarlyToClose }},
		{"nobody is called for what stands unpaid while it may still be closed or run out",
			func(s Step) bool { return s.Do == Settle },
			func(f Facts) bool { return f.Reply != Unpaid || f.PastDoubtTimeout || !f.Close && !f.Patient }},
		{"a create is taken back only by the one who made it alone, when nothing left or QFPay defines the answer as not processed, or when QFPay has refused the configuration each time and a query finds nothing",
			func(s Step) bool { return s.Do == Retract },
			func(f Facts) bool {
				unprocessed := in(f.Reply, NotExecuted, SignatureRefused) && f.OnlyCreate
				confirmed := f.Reply == NotFound && f.Verdict == Holding
				return f.State == StateSent && (unprocessed || confirmed)
			}},
		{"created is what the gateway answered to the create, nothing else",
			func(s Step) bool { return s.Do == Settle && s.Outcome == tasks.Created },
			func(f Facts) bool { return f.Reply == Created }},
		{"rejected only when no live order can be there",
			func(s Step) bool { return s.Do == Settle && s.Outcome == tasks.Rejected },
			func(f Facts) bool {
				taken := f.Reply == OtherOrder && f.Unique && !f.CreateMayLand
				confirmed := f.Reply == NotFound && f.State == StateSent && (f.Verdict == Refusing || f.Verdict == Failing && f.NotFoundBefore)
				return in(f.Reply, Closed, Failed, Declined) || taken || confirmed
			}},
		{"expired only late, and when nothing was sent or what was is closed",
			func(s Step) bool { return s.Do == Settle && s.Outcome == tasks.Expired },
			func(f Facts) bool {
				unsent := f.State == StateNew && in(f.Reply, Nothing, NotExecuted, SignatureRefused, NotFound)
				return f.PastDeadline && (unsent || f.Reply == Closed)
			}},
		{"cancelled only when it was asked for, and when nothing was sent or QFPay shows that what was sent is dead or was never made",
			func(s Step) bool { return s.Do == Settle && s.Outcome == tasks.Cancelled },
			func(f Facts) bool {
				unsent := f.State == StateNew && in(f.Reply, Nothing, NotExecuted, SignatureRefused, NotFound)
				never := f.Reply == NotFound && f.State == StateSent && f.Verdict == Failing && f.NotFoundBefore
				return f.Cancel && (unsent || in(f.Reply, Closed, Failed, Declined) || never)
			}},
		{"unresolved only for what may have been sent",
			func(s Step) bool { return s.Do == Settle && s.Outcome == tasks.Unresolved },
			func(f Facts) bool { return in(f.Reply, Unpaid, Paid, NotFound, MaybeOurs, OtherOrder, Unclear) }},
		{"not found is remembered only when nothing can be on its way",
			func(s Step) bool { return s.Do == WaitNotFound },
			func(f Facts) bool { return f.Reply == NotFound && (!f.CreateMayLand || f.Verdict == Failing) }},
		{"an answer to a create is no end, but for a QR code and an order that never left",
			func(s Step) bool { return s.Do == Settle },
			func(f Facts) bool { return !in(f.Reply, Refused, NotNow, ConfigRefused, Unknown) }},
	}
	n := 0
	for f := range everyFacts {
		n++
		s := Next(f)
		for _, r := range rules {
			if r.step(s) && !r.only(f) {
				t.Fatalf("%s\nfacts %+v\nstep  %+v", r.name, f, s)
			}
		}
		if (s.Do == Wait || s.Do == WaitNotFound) && s.Why == "" {
			t.Fatalf("a wait without a reason: %+v", f)
		}
		if s.Do == Settle && !slices.Contains(tasks.Outcomes(), s.Outcome) {
			t.Fatalf("settled without an outcome: %+v", f)
		}
	}
	if want := int(replies) * int(States) * int(Verdicts) << flags; n != want {
		t.Errorf("walked %d combinations, want %d", n, want)
	}
}

// A created order is published whatever else is true: the customer can pay it.
func TestPolicy_AlwaysPublishesAQRCode(t *testing.T) {
	t.Parallel()
	for f := range everyFacts {
		if f.Reply != Created {
			continue
		}
		if s := Next(f); s.Do != Settle || s.Outcome != tasks.Created {
			t.Fatalf("%+v for %+v", s, f)
		}
	}
}

// What is certain to be closed or paid ends the order, or goes on under a new number;
// it never waits.
func TestPolicy_EndsTheWaitingUponCertainty(t *testing.T) {
	t.Parallel()
	for f := range everyFacts {
		if !slices.Contains([]Reply{Paid, Closed, Failed, Declined, MaybeOurs}, f.Reply) {
			continue
		}
		if s := Next(f); s.Do == Wait || s.Do == WaitNotFound {
			t.Fatalf("%+v for %+v", s, f)
		}
	}
}

// Once the doubt timeout is over, no doubt goes on, but for what may still be on its way.
func TestPolicy_EndsDoubt(t *testing.T) {
	t.Parallel()
	for f := range everyFacts {
		if f.Reply != Unpaid && f.Reply != Unclear || !f.PastDoubtTimeout || !f.PastDeadline {
			continue
		}
		if s := Next(f); s.Do != Settle {
			t.Fatalf("%+v for %+v", s, f)
		}
	}
}

// What somebody has asked to cancel, and what certainly is not there, is called cancelled, late or not.
func TestPolicy_CallsCancelledWhatIsCertainlyNotThere(t *testing.T) {
	t.Parallel()
	for f := range everyFacts {
		if !f.Cancel {
			continue
		}
		unsent := f.State == StateNew && slices.Contains([]Reply{Nothing, NotExecuted, SignatureRefused}, f.Reply)
		dead := slices.Contains([]Reply{Closed, Failed, Declined}, f.Reply)
		retractable := f.State == StateSent && f.OnlyCreate
		if s := Next(f); (unsent && !retractable || dead) && s.Outcome != tasks.Cancelled {
			t.Fatalf("%+v for %+v", s, f)
		}
	}
}

// The courses of an order that matter most, call by call.
func TestPolicy_TakesAnOrderThroughItsCourses(t *testing.T) {
	t.Parallel()
	type turn struct {
		facts Facts
		want  Step
	}
	doubt := Step{Do: Wait, Why: event.DeferDoubt}
	for name, course := range map[string][]turn{
		"the usual: sent, created": {
			{Facts{Reply: Nothing}, Step{Do: Create}},
			{Facts{Reply: Created, State: StateSent, OnlyCreate: true}, Settled(tasks.Created, "")},
		},
		"the answer was lost: queried, closed, confirmed, issued again": {
			{Facts{Reply: Unknown, State: StateSent, OnlyCreate: true, CreateMayLand: true, Close: true, Reissue: true}, Step{Do: Query}},
			{Facts{Reply: Unpaid, State: StateSent, CreateMayLand: true, Close: true, Reissue: true}, Step{Do: CloseOrder}},
			{Facts{Reply: CloseSent, State: StateClosing, Close: true, Reissue: true, CloseSentHere: true}, Step{Do: Query}},
			{Facts{Reply: Closed, State: StateClosing, Close: true, Reissue: true, CloseSentHere: true}, Step{Do: Reissue}},
			{Facts{Reply: Nothing}, Step{Do: Create}},
		},
		"a worker was killed after sending: the next one asks before anything else": {
			{Facts{Reply: Nothing, State: StateSent, CreateMayLand: true, Resend: true}, Step{Do: Query}},
			{Facts{Reply: NotFound, State: StateSent, CreateMayLand: true, Resend: true}, doubt},
			{Facts{Reply: NotFound, State: StateSent, Resend: true}, Step{Do: WaitNotFound, Why: event.DeferDoubt}},
			{Facts{Reply: NotFound, State: StateSent, NotFoundBefore: true, Resend: true}, Step{Do: Create}},
		},
		"numbers are not trusted to be unique: never a second create": {
			{Facts{Reply: NotFound, State: StateSent, NotFoundBefore: true}, Settled(tasks.Unresolved, reasonNotFound)},
			{Facts{Reply: Unpaid, State: StateSent}, Settled(tasks.Unresolved, reasonQRLost)},
		},
		"HTTP 429: taken back, and tried again later": {
			{Facts{Reply: NotExecuted, State: StateSent, OnlyCreate: true}, Step{Do: Retract}},
			{Facts{Reply: NotExecuted, State: StateNew, OnlyCreate: true}, Step{Do: Wait, Why: event.DeferGateway}},
		},
		"HTTP 429 to a repetition: what was sent before stays sent": {
			{Facts{Reply: NotExecuted, State: StateSent}, Step{Do: Wait, Why: event.DeferGateway}},
			{Facts{Reply: Nothing, State: StateSent}, Step{Do: Query}},
		},
		"a refusal of a repetition is not believed": {
			{Facts{Reply: Refused, State: StateSent}, Step{Do: Query}},
			{Facts{Reply: NotFound, State: StateSent, Verdict: Lost, CreateMayLand: true}, doubt},
		},
		"a refusal is confirmed by a query": {
			{Facts{Reply: Refused, State: StateSent, OnlyCreate: true, CreateMayLand: true}, Step{Do: Query}},
			{Facts{Reply: NotFound, State: StateSent, Verdict: Refusing, CreateMayLand: true}, Settled(tasks.Rejected, reasonRefused)},
		},
		"a refusal of a number that QFPay has": {
			{Facts{Reply: Refused, State: StateSent, OnlyCreate: true, CreateMayLand: true}, Step{Do: Query}},
			{Facts{Reply: Unpaid, State: StateSent, Verdict: Refusing, Close: true}, Step{Do: CloseOrder}},
		},
		"a refused configuration: taken back after a query, and tried again later": {
			{Facts{Reply: ConfigRefused, State: StateSent, OnlyCreate: true, CreateMayLand: true}, Step{Do: Query}},
			{Facts{Reply: NotFound, State: StateSent, Verdict: Holding, CreateMayLand: true}, Step{Do: Retract}},
			{Facts{Reply: NotFound, State: StateNew}, Step{Do: Wait, Why: event.DeferHeld}},
			{Facts{Reply: Nothing}, Step{Do: Create}},
		},
		"a refused configuration, and the order stands": {
			{Facts{Reply: ConfigRefused, State: StateSent, OnlyCreate: true, CreateMayLand: true}, Step{Do: Query}},
			{Facts{Reply: Unpaid, State: StateSent, Verdict: Holding, PastDeadline: true, Close: true}, Step{Do: CloseOrder}},
		},
		"a refused configuration, and QFPay cannot be asked at the deadline": {
			{Facts{Reply: ConfigRefused, State: StateSent, OnlyCreate: true, PastDeadline: true}, Step{Do: Query}},
			{Facts{Reply: Unclear, State: StateSent, Verdict: Holding, PastDeadline: true}, doubt},
		},
		"a refused configuration at the deadline: expired after a query": {
			{Facts{Reply: NotFound, State: StateSent, Verdict: Holding, PastDeadline: true}, Step{Do: Retract}},
			{Facts{Reply: NotFound, State: StateNew, PastDeadline: true}, Settled(tasks.Expired, ReasonLate)},
		},
		"not now: a few calls, and QFPay's word": {
			{Facts{Reply: NotNow, State: StateSent, CreateMayLand: true}, Step{Do: Query}},
			{Facts{Reply: NotFound, State: StateSent, Verdict: Failing, CreateMayLand: true, Resend: true}, Step{Do: WaitNotFound, Why: event.DeferDoubt}},
			{Facts{Reply: NotFound, State: StateSent, Verdict: Failing, NotFoundBefore: true, Resend: true}, Step{Do: Create}},
			{Facts{Reply: NotNow, State: StateSent, CreateMayLand: true}, Step{Do: Query}},
			{Facts{Reply: NotFound, State: StateSent, Verdict: Failing, CreateMayLand: true}, Step{Do: WaitNotFound, Why: event.DeferDoubt}},
			{Facts{Reply: NotFound, State: StateSent, Verdict: Failing, NotFoundBefore: true}, Settled(tasks.Rejected, reasonFailing)},
		},
		"a person re-opens what QFPay shows refused: another number": {
			{Facts{Reply: Declined, State: StateSent, Reissue: true}, Settled(tasks.Rejected, reasonRefused)},
			{Facts{Reply: Declined, State: StateSent, Reissue: true, Reopened: true}, Step{Do: Reissue}},
		},
		"the deadline passes in the queue": {
			{Facts{Reply: Nothing, PastDeadline: true}, Settled(tasks.Expired, ReasonLate)},
		},
		"the deadline passes in doubt: closed first, then expired": {
			{Facts{Reply: Unpaid, State: StateSent, PastDeadline: true, Close: true}, Step{Do: CloseOrder}},
			{Facts{Reply: Closed, State: StateClosing, PastDeadline: true, Close: true, CloseSentHere: true}, Settled(tasks.Expired, reasonLateClosed)},
		},
		"cancelled before anything left": {
			{Facts{Reply: Nothing, Cancel: true, PastDeadline: true}, Settled(tasks.Cancelled, ReasonCancelled)},
		},
		"cancelled while it was sent: queried, closed, confirmed": {
			{Facts{Reply: Nothing, State: StateSent, CreateMayLand: true, Close: true, Cancel: true}, Step{Do: Query}},
			{Facts{Reply: Unpaid, State: StateSent, CreateMayLand: true, Close: true, Cancel: true}, Step{Do: CloseOrder}},
			{Facts{Reply: CloseSent, State: StateClosing, Close: true, Cancel: true, CloseSentHere: true}, Step{Do: Query}},
			{Facts{Reply: Unpaid, State: StateClosing, Close: true, Cancel: true, CloseSentHere: true}, doubt},
			{Facts{Reply: Closed, State: StateClosing, Close: true, Reissue: true, Cancel: true}, Settled(tasks.Cancelled, reasonCancelDead)},
		},
		"cancelled, and paid meanwhile": {
			{Facts{Reply: Paid, State: StateSent, Close: true, Cancel: true}, Settled(tasks.Unresolved, ReasonPaid)},
		},
		"cancelled, and it cannot be closed: its QR code runs out, or a person must look": {
			{Facts{Reply: Unpaid, State: StateSent, Cancel: true, PastDeadline: true}, doubt},
			{Facts{Reply: Unpaid, State: StateSent, Cancel: true, PastDeadline: true, PastDoubtTimeout: true}, Settled(tasks.Unresolved, reasonQRLost)},
		},
		"cancelled, and not found: never sent again": {
			{Facts{Reply: NotFound, State: StateSent, Cancel: true, Resend: true, CreateMayLand: true}, doubt},
			{Facts{Reply: NotFound, State: StateSent, Cancel: true, Resend: true}, Step{Do: WaitNotFound, Why: event.DeferDoubt}},
			{Facts{Reply: NotFound, State: StateSent, Cancel: true, Resend: true, NotFoundBefore: true}, Settled(tasks.Unresolved, reasonNotFound)},
		},
		"cancelled, and refused": {
			{Facts{Reply: NotFound, State: StateSent, Verdict: Refusing, Cancel: true}, Settled(tasks.Rejected, reasonRefused)},
		},
		"cancelled, and the configuration is refused: taken back first": {
			{Facts{Reply: NotFound, State: StateSent, Verdict: Holding, Cancel: true}, Step{Do: Retract}},
			{Facts{Reply: NotFound, State: StateNew, Cancel: true}, Settled(tasks.Cancelled, ReasonCancelled)},
		},
		"cancelled, and it cannot be created now: not tried again": {
			{Facts{Reply: NotFound, State: StateSent, Verdict: Failing, Resend: true, Cancel: true}, Step{Do: WaitNotFound, Why: event.DeferDoubt}},
			{Facts{Reply: NotFound, State: StateSent, Verdict: Failing, Resend: true, NotFoundBefore: true, Cancel: true}, Settled(tasks.Cancelled, reasonCancelGone)},
		},
		"cancelled while its create was answered: an answer is never lost": {
			{Facts{Reply: Created, State: StateSent, OnlyCreate: true, Cancel: true}, Settled(tasks.Created, "")},
		},
		"its wallet closes no young order: it waits, and is closed when it is old enough": {
			{Facts{Reply: Unknown, State: StateSent, OnlyCreate: true, CreateMayLand: true, Close: true, Reissue: true, TooEarlyToClose: true, Patient: true}, Step{Do: Query}},
			{Facts{Reply: Unpaid, State: StateSent, Close: true, Reissue: true, TooEarlyToClose: true, Patient: true}, doubt},
			{Facts{Reply: Unpaid, State: StateSent, Close: true, Reissue: true, TooEarlyToClose: true, Cancel: true, PastDeadline: true}, doubt},
			{Facts{Reply: Unpaid, State: StateSent, Close: true, Reissue: true, Patient: true}, Step{Do: CloseOrder}},
		},
		"every close is refused: its QR code runs out, and nobody is called": {
			{Facts{Reply: Unpaid, State: StateClosing, Close: true, Reissue: true, CloseSentHere: true, PastDeadline: true, Patient: true}, doubt},
			{Facts{Reply: Closed, State: StateClosing, Close: true, Reissue: true, PastDeadline: true}, Settled(tasks.Expired, reasonLateClosed)},
		},
		"it cannot be closed: its QR code may run out, and then a person must look": {
			{Facts{Reply: Unpaid, State: StateSent, Patient: true}, doubt},
			{Facts{Reply: Unpaid, State: StateSent}, Settled(tasks.Unresolved, reasonQRLost)},
		},
		"it cannot be closed, and reissue was asked for: its QR code runs out first": {
			{Facts{Reply: Unpaid, State: StateSent, Reissue: true}, doubt},
			{Facts{Reply: Closed, State: StateSent, Reissue: true}, Step{Do: Reissue}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i, turn := range course {
				if got := Next(turn.facts); got != turn.want {
					t.Errorf("turn %d: %+v\n got %+v\nwant %+v", i+1, turn.facts, got, turn.want)
				}
			}
		})
	}
}

func BenchmarkNext(b *testing.B) {
	var all []Facts
	for f := range everyFacts {
		all = append(all, f)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Next(all[i%len(all)])
	}
}
