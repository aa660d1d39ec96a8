package worker

import (
	"slices"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// everyFacts calls yield with every combination of facts there is: 49,152.
func everyFacts(yield func(facts) bool) {
	flags := []func(*facts, bool){
		func(f *facts, v bool) { f.sole = v }, func(f *facts, v bool) { f.flying = v },
		func(f *facts, v bool) { f.missing = v }, func(f *facts, v bool) { f.closed = v },
		func(f *facts, v bool) { f.late = v }, func(f *facts, v bool) { f.overdue = v },
		func(f *facts, v bool) { f.close = v }, func(f *facts, v bool) { f.reissue = v },
		func(f *facts, v bool) { f.resend = v }, func(f *facts, v bool) { f.unique = v },
	}
	for r := nothing; r < replies; r++ {
		for s := stateNew; s < states; s++ {
			for bits := range 1 << len(flags) {
				f := facts{reply: r, state: s}
				for i, set := range flags {
					set(&f, bits>>i&1 == 1)
				}
				if !yield(f) {
					return
				}
			}
		}
	}
}

// Each rule says when a step is allowed at all. They are written from the design's
// invariants and not from the policy, so that the two check each other.
func TestPolicy_KeepsTheRulesForEveryCombinationOfFacts(t *testing.T) {
	t.Parallel()
	in := func(r reply, set ...reply) bool { return slices.Contains(set, r) }
	rules := []struct {
		name string
		step func(step) bool
		only func(facts) bool // when the step may be taken
	}{
		{"a create leaves only for a new number, or when nothing was found twice and nothing is on its way",
			func(s step) bool { return s.do == submit },
			func(f facts) bool {
				first := f.reply == nothing && f.state == stateNew
				again := f.reply == absent && f.state == stateSent && !f.flying && f.missing && f.resend
				return !f.late && (first || again)
			}},
		{"a new number only when the gateway has shown the old one dead",
			func(s step) bool { return s.do == mint },
			func(f facts) bool { return in(f.reply, dead, failed) && f.reissue && !f.late }},
		{"a close only when the order stands unpaid",
			func(s step) bool { return s.do == void },
			func(f facts) bool { return f.reply == unpaid && f.close && !f.closed }},
		{"a create is taken back only by the one who made it alone",
			func(s step) bool { return s.do == retract },
			func(f facts) bool { return in(f.reply, notTaken, heldBack) && f.sole && f.state == stateSent }},
		{"created is what the gateway answered to the create, nothing else",
			func(s step) bool { return s.do == settle && s.outcome == tasks.Created },
			func(f facts) bool { return f.reply == created }},
		{"rejected only when no live order can be there",
			func(s step) bool { return s.do == settle && s.outcome == tasks.Rejected },
			func(f facts) bool {
				taken := f.reply == foreign && f.unique && !f.flying
				return f.reply == refused && f.sole || in(f.reply, dead, failed, declined) || taken
			}},
		{"expired only late, and when nothing was sent or what was is dead",
			func(s step) bool { return s.do == settle && s.outcome == tasks.Expired },
			func(f facts) bool {
				unsent := f.state == stateNew && in(f.reply, nothing, notTaken, heldBack)
				return f.late && (unsent || f.reply == dead)
			}},
		{"unresolved only for what may have been sent",
			func(s step) bool { return s.do == settle && s.outcome == tasks.Unresolved },
			func(f facts) bool { return in(f.reply, unpaid, paid, absent, strange, foreign, unclear) }},
		{"not found is remembered only when nothing can be on its way",
			func(s step) bool { return s.do == waitGone },
			func(f facts) bool { return f.reply == absent && !f.flying }},
	}
	n := 0
	for f := range everyFacts {
		n++
		s := next(f)
		for _, r := range rules {
			if r.step(s) && !r.only(f) {
				t.Fatalf("%s\nfacts %+v\nstep  %+v", r.name, f, s)
			}
		}
		if (s.do == wait || s.do == waitGone) && s.why == "" {
			t.Fatalf("a wait without a reason: %+v", f)
		}
		if s.do == settle && !slices.Contains(tasks.Outcomes(), s.outcome) {
			t.Fatalf("settled without an outcome: %+v", f)
		}
	}
	if want := int(replies) * int(states) << 10; n != want {
		t.Errorf("walked %d combinations, want %d", n, want)
	}
}

// A created order is published whatever else is true: the customer can pay it.
func TestPolicy_AlwaysPublishesAQRCode(t *testing.T) {
	t.Parallel()
	for f := range everyFacts {
		if s := next(f); f.reply == created && (s.do != settle || s.outcome != tasks.Created) {
			t.Fatalf("%+v for %+v", s, f)
		}
	}
}

// What is certain to be dead or paid ends the order, or goes on under a new number;
// it never waits.
func TestPolicy_EndsTheWaitingUponCertainty(t *testing.T) {
	t.Parallel()
	for f := range everyFacts {
		if s := next(f); slices.Contains([]reply{paid, dead, failed, declined, strange}, f.reply) && (s.do == wait || s.do == waitGone) {
			t.Fatalf("%+v for %+v", s, f)
		}
	}
}

// Once patience is over, no doubt goes on, but for what may still be on its way.
func TestPolicy_EndsDoubt(t *testing.T) {
	t.Parallel()
	for f := range everyFacts {
		f.overdue, f.late = true, true
		if s := next(f); slices.Contains([]reply{unpaid, unclear}, f.reply) && s.do != settle {
			t.Fatalf("%+v for %+v", s, f)
		}
	}
}

// The courses of an order that matter most, call by call.
func TestPolicy_TakesAnOrderThroughItsCourses(t *testing.T) {
	t.Parallel()
	type turn struct {
		facts facts
		want  step
	}
	doubt := step{do: wait, why: DeferDoubt}
	for name, course := range map[string][]turn{
		"the usual: submitted, created": {
			{facts{reply: nothing}, step{do: submit}},
			{facts{reply: created, state: stateSent, sole: true}, settled(tasks.Created, "")},
		},
		"the answer was lost: enquired, closed, confirmed, issued again": {
			{facts{reply: doubtful, state: stateSent, sole: true, flying: true, close: true, reissue: true}, step{do: enquire}},
			{facts{reply: unpaid, state: stateSent, flying: true, close: true, reissue: true}, step{do: void}},
			{facts{reply: closeMade, state: stateVoiding, close: true, reissue: true, closed: true}, step{do: enquire}},
			{facts{reply: dead, state: stateVoiding, close: true, reissue: true, closed: true}, step{do: mint}},
			{facts{reply: nothing}, step{do: submit}},
		},
		"a worker was killed after sending: the next one asks before anything else": {
			{facts{reply: nothing, state: stateSent, flying: true, resend: true}, step{do: enquire}},
			{facts{reply: absent, state: stateSent, flying: true, resend: true}, doubt},
			{facts{reply: absent, state: stateSent, resend: true}, step{do: waitGone, why: DeferDoubt}},
			{facts{reply: absent, state: stateSent, missing: true, resend: true}, step{do: submit}},
		},
		"numbers are not trusted to be unique: never a second create": {
			{facts{reply: absent, state: stateSent, missing: true}, settled(tasks.Unresolved, reasonNotFound)},
			{facts{reply: unpaid, state: stateSent}, settled(tasks.Unresolved, reasonQRLost)},
		},
		"HTTP 429: taken back, and tried again later": {
			{facts{reply: notTaken, state: stateSent, sole: true}, step{do: retract}},
			{facts{reply: notTaken, state: stateNew, sole: true}, step{do: wait, why: DeferGateway}},
		},
		"HTTP 429 to a repetition: what was sent before stays sent": {
			{facts{reply: notTaken, state: stateSent}, step{do: wait, why: DeferGateway}},
			{facts{reply: nothing, state: stateSent}, step{do: enquire}},
		},
		"a refusal of a repetition is not believed": {
			{facts{reply: refused, state: stateSent}, step{do: enquire}},
		},
		"the deadline passes in the queue": {
			{facts{reply: nothing, late: true}, settled(tasks.Expired, reasonLate)},
		},
		"the deadline passes in doubt: closed first, then expired": {
			{facts{reply: unpaid, state: stateSent, late: true, close: true}, step{do: void}},
			{facts{reply: dead, state: stateVoiding, late: true, close: true, closed: true}, settled(tasks.Expired, reasonLateDead)},
		},
		"it cannot be closed, and reissue was asked for: its QR code runs out first": {
			{facts{reply: unpaid, state: stateSent, reissue: true}, doubt},
			{facts{reply: dead, state: stateSent, reissue: true}, step{do: mint}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i, turn := range course {
				if got := next(turn.facts); got != turn.want {
					t.Errorf("turn %d: %+v\n got %+v\nwant %+v", i+1, turn.facts, got, turn.want)
				}
			}
		})
	}
}

func TestReissue_AddsASuffixToTheOrdersOwnNumber(t *testing.T) {
	t.Parallel()
	for number, want := range []string{"A1", "A1_2", "A1_3"} {
		if got := issuedAs("A1", number); got != want {
			t.Errorf("number %d is %q, want %q", number, got, want)
		}
	}
}

// Whether a lost QR code may be replaced is a matter of the setting, of the pay
// type, and of trust in unique numbers.
func TestReissue_DependsOnSettingPayTypeAndTrust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode           LostResponse
		payType        qfpay.PayType
		unique         bool
		number         int
		close, reissue bool
	}{
		{Auto, "800101", true, 0, true, true},
		{Auto, "801501", true, 1, true, true},
		{Auto, "800201", true, 2, true, false},     // two reissues are enough
		{Auto, "805801", true, 0, false, false},    // no documented way to close it
		{Reissue, "805801", true, 0, false, true},  // asked for: once its QR code has run out
		{LeaveIt, "800101", true, 0, false, false}, // asked for
		{Auto, "800101", false, 0, false, false},   // a dead number might come to life again
		{Reissue, "800101", false, 0, false, false},
	} {
		if got := c.mode.mayClose(c.payType, c.unique); got != c.close {
			t.Errorf("%+v: may close %t", c, got)
		}
		if got := c.mode.mayReissue(c.payType, c.unique, c.number); got != c.reissue {
			t.Errorf("%+v: may reissue %t", c, got)
		}
	}
}
