package worker

import (
	"slices"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// everyFacts calls yield with every combination of facts there is: 49,152.
func everyFacts(yield func(facts) bool) {
	flags := []func(*facts, bool){
		func(f *facts, v bool) { f.onlyCreate = v }, func(f *facts, v bool) { f.createMayLand = v },
		func(f *facts, v bool) { f.notFoundBefore = v }, func(f *facts, v bool) { f.closeSentHere = v },
		func(f *facts, v bool) { f.pastDeadline = v }, func(f *facts, v bool) { f.pastDoubtTimeout = v },
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
			func(s step) bool { return s.do == create },
			func(f facts) bool {
				first := f.reply == nothing && f.state == stateNew
				again := f.reply == notFound && f.state == stateSent && !f.createMayLand && f.notFoundBefore && f.resend
				return !f.pastDeadline && (first || again)
			}},
		{"a new number only when the gateway has shown the old one closed",
			func(s step) bool { return s.do == reissue },
			func(f facts) bool { return in(f.reply, closed, failed) && f.reissue && !f.pastDeadline }},
		{"a close only when the order stands unpaid",
			func(s step) bool { return s.do == closeOrder },
			func(f facts) bool { return f.reply == unpaid && f.close && !f.closeSentHere }},
		{"a create is taken back only by the one who made it alone",
			func(s step) bool { return s.do == retract },
			func(f facts) bool {
				return in(f.reply, notExecuted, merchantRefused) && f.onlyCreate && f.state == stateSent
			}},
		{"created is what the gateway answered to the create, nothing else",
			func(s step) bool { return s.do == settle && s.outcome == tasks.Created },
			func(f facts) bool { return f.reply == created }},
		{"rejected only when no live order can be there",
			func(s step) bool { return s.do == settle && s.outcome == tasks.Rejected },
			func(f facts) bool {
				taken := f.reply == otherOrder && f.unique && !f.createMayLand
				return f.reply == refused && f.onlyCreate || in(f.reply, closed, failed, declined) || taken
			}},
		{"expired only late, and when nothing was sent or what was is closed",
			func(s step) bool { return s.do == settle && s.outcome == tasks.Expired },
			func(f facts) bool {
				unsent := f.state == stateNew && in(f.reply, nothing, notExecuted, merchantRefused)
				return f.pastDeadline && (unsent || f.reply == closed)
			}},
		{"unresolved only for what may have been sent",
			func(s step) bool { return s.do == settle && s.outcome == tasks.Unresolved },
			func(f facts) bool { return in(f.reply, unpaid, paid, notFound, maybeOurs, otherOrder, unclear) }},
		{"not found is remembered only when nothing can be on its way",
			func(s step) bool { return s.do == waitNotFound },
			func(f facts) bool { return f.reply == notFound && !f.createMayLand }},
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
		if (s.do == wait || s.do == waitNotFound) && s.why == "" {
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

// What is certain to be closed or paid ends the order, or goes on under a new number;
// it never waits.
func TestPolicy_EndsTheWaitingUponCertainty(t *testing.T) {
	t.Parallel()
	for f := range everyFacts {
		if s := next(f); slices.Contains([]reply{paid, closed, failed, declined, maybeOurs}, f.reply) && (s.do == wait || s.do == waitNotFound) {
			t.Fatalf("%+v for %+v", s, f)
		}
	}
}

// Once the doubt timeout is over, no doubt goes on, but for what may still be on its way.
func TestPolicy_EndsDoubt(t *testing.T) {
	t.Parallel()
	for f := range everyFacts {
		f.pastDoubtTimeout, f.pastDeadline = true, true
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
	doubt := step{do: wait, why: event.DeferDoubt}
	for name, course := range map[string][]turn{
		"the usual: sent, created": {
			{facts{reply: nothing}, step{do: create}},
			{facts{reply: created, state: stateSent, onlyCreate: true}, settled(tasks.Created, "")},
		},
		"the answer was lost: queried, closed, confirmed, issued again": {
			{facts{reply: unknown, state: stateSent, onlyCreate: true, createMayLand: true, close: true, reissue: true}, step{do: query}},
			{facts{reply: unpaid, state: stateSent, createMayLand: true, close: true, reissue: true}, step{do: closeOrder}},
			{facts{reply: closeSent, state: stateClosing, close: true, reissue: true, closeSentHere: true}, step{do: query}},
			{facts{reply: closed, state: stateClosing, close: true, reissue: true, closeSentHere: true}, step{do: reissue}},
			{facts{reply: nothing}, step{do: create}},
		},
		"a worker was killed after sending: the next one asks before anything else": {
			{facts{reply: nothing, state: stateSent, createMayLand: true, resend: true}, step{do: query}},
			{facts{reply: notFound, state: stateSent, createMayLand: true, resend: true}, doubt},
			{facts{reply: notFound, state: stateSent, resend: true}, step{do: waitNotFound, why: event.DeferDoubt}},
			{facts{reply: notFound, state: stateSent, notFoundBefore: true, resend: true}, step{do: create}},
		},
		"numbers are not trusted to be unique: never a second create": {
			{facts{reply: notFound, state: stateSent, notFoundBefore: true}, settled(tasks.Unresolved, reasonNotFound)},
			{facts{reply: unpaid, state: stateSent}, settled(tasks.Unresolved, reasonQRLost)},
		},
		"HTTP 429: taken back, and tried again later": {
			{facts{reply: notExecuted, state: stateSent, onlyCreate: true}, step{do: retract}},
			{facts{reply: notExecuted, state: stateNew, onlyCreate: true}, step{do: wait, why: event.DeferGateway}},
		},
		"HTTP 429 to a repetition: what was sent before stays sent": {
			{facts{reply: notExecuted, state: stateSent}, step{do: wait, why: event.DeferGateway}},
			{facts{reply: nothing, state: stateSent}, step{do: query}},
		},
		"a refusal of a repetition is not believed": {
			{facts{reply: refused, state: stateSent}, step{do: query}},
		},
		"the deadline passes in the queue": {
			{facts{reply: nothing, pastDeadline: true}, settled(tasks.Expired, reasonLate)},
		},
		"the deadline passes in doubt: closed first, then expired": {
			{facts{reply: unpaid, state: stateSent, pastDeadline: true, close: true}, step{do: closeOrder}},
			{facts{reply: closed, state: stateClosing, pastDeadline: true, close: true, closeSentHere: true}, settled(tasks.Expired, reasonLateClosed)},
		},
		"it cannot be closed, and reissue was asked for: its QR code runs out first": {
			{facts{reply: unpaid, state: stateSent, reissue: true}, doubt},
			{facts{reply: closed, state: stateSent, reissue: true}, step{do: reissue}},
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
	for reissues, want := range []string{"A1", "A1_2", "A1_3"} {
		if got := issuedAs("A1", reissues); got != want {
			t.Errorf("number %d is %q, want %q", reissues, got, want)
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
		reissues       int
		close, reissue bool
	}{
		{Auto, "800101", true, 0, true, true},
		{Auto, "801501", true, 1, true, true},
		{Auto, "800201", true, 2, true, false},     // two reissues are enough
		{Auto, "805801", true, 0, false, false},    // no documented way to close it
		{Reissue, "805801", true, 0, false, true},  // asked for: once its QR code has run out
		{LeaveIt, "800101", true, 0, false, false}, // asked for
		{Auto, "800101", false, 0, false, false},   // a closed number might come to life again
		{Reissue, "800101", false, 0, false, false},
	} {
		if got := c.mode.mayClose(c.payType, c.unique); got != c.close {
			t.Errorf("%+v: may close %t", c, got)
		}
		if got := c.mode.mayReissue(c.payType, c.unique, c.reissues); got != c.reissue {
			t.Errorf("%+v: may reissue %t", c, got)
		}
	}
}
