package worker

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
	flying        // it left within the quiet time
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
	state   state
	end     ending
	number  uint8
	sends   uint8
	absents uint8
	sent    flight
	lease   lease
	holder  token
	sender  token
	author  token // of the result
	entries uint8 // in the result stream
	again   uint8 // how often it was re-opened
	due     bool
}

func newBook() book { return book{due: true} }

func (b *book) claim(t token) claimStatus {
	switch {
	case b.end != unsettled:
		return claimSettled
	case b.holder != t && b.lease != over:
		return claimBusy
	}
	b.holder, b.lease, b.due = t, long, true
	return claimOurs
}

func (b *book) heldBy(t token) bool { return b.holder == t && b.lease != over }

func (b *book) intent(t token, number, sends uint8) bool {
	switch {
	case !b.heldBy(t) || b.lease != long || b.number != number || b.state == stateVoiding:
		return false
	case b.state == stateSent && b.sender == t && b.sends == sends+1:
		return true // a repetition
	case b.sends != sends:
		return false
	}
	b.state, b.sends, b.sender, b.sent, b.absents = stateSent, sends+1, t, flying, 0
	return true
}

func (b *book) retract(t token, number uint8) bool {
	switch {
	case !b.heldBy(t) || b.number != number:
		return false
	case b.state == stateNew && b.sends == 0:
		return true
	case b.state != stateSent || b.sends != 1 || b.sender != t:
		return false
	}
	b.state, b.sends, b.sender, b.sent = stateNew, 0, nobodys, unsent
	return true
}

func (b *book) void(t token, number uint8) bool {
	if !b.heldBy(t) || b.lease != long || b.number != number || b.state == stateNew {
		return false
	}
	b.state = stateVoiding
	return true
}

func (b *book) mint(t token, number uint8) bool {
	switch {
	case !b.heldBy(t):
		return false
	case b.state == stateNew && b.number == number+1:
		return true
	case b.number != number || b.state == stateNew:
		return false
	}
	b.number++
	b.state, b.sends, b.absents, b.sender, b.sent = stateNew, 0, 0, nobodys, unsent
	return true
}

// answer is what a settle answers.
type answer uint8

const (
	published answer = iota
	already
	notAllowed
)

func (b *book) settle(t token, number uint8, end ending) answer {
	switch {
	case b.end != unsettled && b.author == t:
		return published
	case b.end != unsettled:
		return already
	case b.number != number:
		return notAllowed
	case end == endCreated && b.state != stateSent:
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
		b.absents++
	}
	b.holder, b.lease = nobodys, over
	return true
}

// reopen takes an order in hand again that ended without a QR code.
func (b *book) reopen() bool {
	switch {
	case b.end == unsettled || b.end == endCreated:
		return false
	case b.end == endUnresolved && b.state != stateSent:
		b.state = stateVoiding
	case b.end != endUnresolved:
		if b.sends > 0 {
			b.number++
		}
		b.state, b.sends, b.sender, b.sent = stateNew, 0, nobodys, unsent
	}
	b.end, b.author, b.absents, b.due = unsettled, nobodys, 0, true
	b.again++
	return true
}
