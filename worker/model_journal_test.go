package worker

import (
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// token names an attempt in the model. Real tokens are random; all that the scripts
// do with them is to compare them, so three names are enough: one for each of two
// attempts at work, and one for all that have ended.
type token uint8

const (
	nobodys token = iota
	firsts
	seconds
	bygone
)

// lease is what is left of the hold on an order.
type lease uint8

const (
	over  lease = iota
	short       // less than a call may take
	long
)

// flight is what is known of the latest create under a number.
type flight uint8

const (
	unsent flight = iota
	flying        // it left within the landing time
	landed        // it left before
)

// ending is the outcome of a settled order, small enough for a state of the model.
type ending uint8

const (
	unsettled ending = iota
	endCreated
	endRejected
	endExpired
	endUnresolved
)

// book is the journal of one order: what the Lua scripts keep of it, with the clock
// left out. Each method is one script, and TestModel_HasTheRealJournal holds
// them against the scripts.
type book struct {
	state       policy.State
	end         ending
	reissues    uint8
	createsSent uint8
	notFound    uint8
	sent        flight
	lease       lease
	holder      token
	sentBy      token
	author      token // of the result
	entries     uint8 // in the result stream
	reopens     uint8 // how often it was re-opened
	due         bool
	early       bool           // its not_before is ahead
	verdict     policy.Verdict // about all creates under the number
	before      policy.Verdict // about all but the latest
	was         bool           // the verdict is of before it was re-opened, and so none
}

func newBook() book { return book{due: true} }

func (b *book) claim(t token) journal.ClaimStatus {
	switch {
	case b.end != unsettled:
		return journal.ClaimSettled
	case b.holder != t && b.lease != over:
		return journal.ClaimBusy
	case b.early && b.state == policy.StateNew:
		return journal.ClaimEarly
	}
	b.holder, b.lease, b.due = t, long, true
	return journal.ClaimOurs
}

// claimDue is the claim of a dispatcher, which always is an attempt of its own.
func (b *book) claimDue(t token) bool {
	return b.due && b.lease == over && b.claim(t) == journal.ClaimOurs
}

func (b *book) heldBy(t token) bool { return b.holder == t && b.lease != over }

func (b *book) intent(t token, reissues, createsSent uint8) bool {
	switch {
	case !b.heldBy(t) || b.lease != long || b.reissues != reissues || b.state == policy.StateClosing:
		return false
	case b.state == policy.StateSent && b.sentBy == t && b.createsSent == createsSent+1:
		return true // a repetition
	case b.createsSent != createsSent:
		return false
	}
	b.before = max(b.verdict, policy.Lost)
	if createsSent == 0 {
		b.before = policy.Refusing
	}
	b.state, b.createsSent, b.sentBy, b.sent, b.notFound = policy.StateSent, createsSent+1, t, flying, 0
	b.verdict, b.was = policy.NoVerdict, false
	return true
}

func (b *book) retract(t token, reissues uint8) bool {
	switch {
	case !b.heldBy(t) || b.reissues != reissues:
		return false
	case b.state == policy.StateNew && b.createsSent == 0:
		return true
	case b.state != policy.StateSent || (b.createsSent != 1 || b.sentBy != t) && (b.verdict != policy.Holding || b.was):
		return false
	}
	b.state, b.createsSent, b.sentBy, b.sent = policy.StateNew, 0, nobodys, unsent
	b.forget()
	return true
}

// forget forgets what was answered to the creates under a number.
func (b *book) forget() { b.verdict, b.before, b.was = policy.NoVerdict, policy.NoVerdict, false }

// answered keeps the verdict about the latest create.
func (b *book) answered(t token, reissues, createsSent uint8, verdict policy.Verdict) bool {
	if !b.heldBy(t) || b.reissues != reissues || b.createsSent != createsSent {
		return false
	}
	if verdict != policy.NoVerdict {
		b.verdict, b.was = min(verdict, max(b.before, policy.Lost)), false
	}
	return true
}

func (b *book) closeIntent(t token, reissues uint8) bool {
	if !b.heldBy(t) || b.lease != long || b.reissues != reissues || b.state == policy.StateNew {
		return false
	}
	b.state = policy.StateClosing
	return true
}

func (b *book) reissue(t token, reissues uint8) bool {
	switch {
	case !b.heldBy(t):
		return false
	case b.state == policy.StateNew && b.reissues == reissues+1:
		return true
	case b.reissues != reissues || b.state == policy.StateNew:
		return false
	}
	b.reissues++
	b.state, b.createsSent, b.notFound, b.sentBy, b.sent = policy.StateNew, 0, 0, nobodys, unsent
	b.forget()
	return true
}

// answer is what a settle answers.
type answer uint8

const (
	published answer = iota
	already
	notAllowed
)

func (b *book) settle(t token, reissues uint8, end ending) answer {
	switch {
	case b.end != unsettled && b.author == t:
		return published
	case b.end != unsettled:
		return already
	case b.reissues != reissues:
		return notAllowed
	case end == endCreated && b.state != policy.StateSent:
		return notAllowed
	case end != endCreated && !b.heldBy(t):
		return notAllowed
	}
	b.end, b.author = end, t
	b.entries++
	b.holder, b.lease, b.due = nobodys, over, false
	return published
}

func (b *book) release(t token, gone bool) bool {
	if !b.heldBy(t) {
		return false
	}
	if gone {
		b.notFound++
	}
	b.holder, b.lease = nobodys, over
	return true
}

// reopen re-opens an order that ended without a QR code.
func (b *book) reopen() bool {
	switch {
	case b.end == unsettled || b.end == endCreated:
		return false
	case b.state == policy.StateNew && (b.createsSent > 0 || b.end == endUnresolved): // a worker would not leave it so
		b.state = policy.StateClosing
	}
	b.was = b.verdict != policy.NoVerdict
	b.end, b.author, b.notFound, b.due = unsettled, nobodys, 0, true
	b.reopens++
	return true
}
