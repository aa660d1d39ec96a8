package worker

import (
	"slices"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// attempt: all that one attempt can do next, and all that can become of it.
func (m *model) attempt(w *world, i int) {
	h := w.hands[i]
	if h.place == idle {
		return
	}
	m.kill(w, i)
	switch h.place {
	case deciding:
		t := *w
		t.hands[i] = m.decide(h, w.clock)
		m.add(course, i+1, thoughts[t.hands[i].do], t)
	case acting:
		m.act(w, i)
	case posting:
		m.post(w, i)
	case closing:
		m.shut(w, i)
	}
}

// kill ends the attempt where it stands. What it was sending may arrive or not.
func (m *model) kill(w *world, i int) {
	t, h := *w, w.hands[i]
	switch h.place {
	case posting:
		t.posts[h.reissues]++
	case closing:
		t.closes[h.reissues]++
	}
	t.hands[i] = hand{}
	m.add(fault, i+1, "is killed", t)
}

// act does what the policy has decided: a script, or a query.
func (m *model) act(w *world, i int) {
	h := w.hands[i]
	switch h.do {
	case policy.Query:
		m.query(w, i)
	case policy.Create, policy.CloseOrder:
		m.script(w, i)
	default:
		m.script(w, i)
		return
	}
	t := *w
	t.hands[i] = parting(policy.Wait, unsettled, h)
	m.add(fault, i+1, "has no time left for a call", t)
}

// script runs the script that belongs to a step. Its reply may be lost, and then it
// is run again.
func (m *model) script(w *world, i int) {
	t := *w
	if m.unfenced && t.book.end == unsettled {
		t.book.holder, t.book.lease = token(i+1), long
	}
	after, held := t.book.write(token(i+1), w.hands[i])
	again := t
	t.hands[i] = after
	what := deeds[w.hands[i].do]
	if !held {
		what = refusals[w.hands[i].do]
	}
	m.add(course, i+1, what, t)
	m.add(fault, i+1, "gets no reply from Redis, and will do it again: "+what, again)
}

// write runs a hand's script, and returns what the hand knows then. An attempt that
// has lost the order ends.
func (b *book) write(t token, h hand) (after hand, held bool) {
	switch after = h; h.do {
	case policy.Create:
		if held = b.intent(t, h.reissues, h.createsSent); !held && b.refusesCreate(t, h.reissues, h.createsSent) {
			return hand{place: deciding, state: h.state, reissues: h.reissues, createsSent: h.createsSent, sent: h.sent,
				notFound: h.notFound, verdict: h.verdict, reopens: h.reopens, cancelled: true}, true
		}
		after.state, after.createsSent, after.notFound, after.sent = policy.StateSent, h.createsSent+1, false, flying
		after.verdict = policy.NoVerdict
		after.place = posting
	case policy.Retract:
		held = b.retract(t, h.reissues)
		after.state, after.createsSent, after.sent, after.verdict = policy.StateNew, 0, unsent, policy.NoVerdict
		after.place = deciding
	case policy.CloseOrder:
		held = b.closeIntent(t, h.reissues)
		after.state, after.place = policy.StateClosing, closing
	case policy.Reissue:
		held = b.reissue(t, h.reissues)
		after = hand{place: deciding, reissues: h.reissues + 1, reopens: h.reopens, cancelled: h.cancelled}
	case policy.Settle:
		return hand{}, b.settle(t, h.reissues, h.end) == published
	case policy.Wait, policy.WaitNotFound:
		return hand{}, b.release(t, h.do == policy.WaitNotFound)
	}
	if !held {
		return hand{}, false
	}
	return after, true
}

func (m *model) query(w *world, i int) {
	r := w.records[w.hands[i].reissues]
	if m.deaf {
		m.hears(w, i, course, "asks, and gets no answer", *w, replyNoAnswer)
		return
	}
	told := *w
	if r != none && told.book.heldBy(token(i+1)) { // the row goes into the journal, which says so
		told.hands[i].cancelled = told.book.cancelled
	}
	m.hears(w, i, course, "asks, and is told: "+recordNames[r], told, shown[r])
	m.hears(w, i, fault, "asks, and gets no answer", *w, replyNoAnswer)
	if r != none && !m.untrue {
		m.hears(w, i, fault, "asks too early, and is told that there is no such order", *w, shown[none])
	}
}

// hears is an attempt's call that has been answered.
func (m *model) hears(w *world, i int, k kind, what string, to world, r policy.Reply) {
	to.hands[i].place, to.hands[i].reply = deciding, r
	if w.hands[i].place == posting {
		to.hands[i].onlyCreate = w.hands[i].createsSent == 1
		if !to.book.notes(token(i+1), &to.hands[i], r != replyLost) {
			to.hands[i] = hand{} // it has lost the order
		}
	}
	m.add(k, i+1, what, to)
}

// notes keeps what came of a hand's create, and reports whether it still has the order. A QR
// code is published whatever the journal says.
func (b *book) notes(t token, h *hand, answered bool) bool {
	if h.reply == policy.Created {
		return true
	}
	verdict := policy.VerdictOf(h.reply, answered)
	held := b.answered(t, h.reissues, h.createsSent, verdict)
	if held {
		h.cancelled = b.cancelled
		if verdict != policy.NoVerdict {
			h.verdict = b.verdict
		}
	}
	return held
}

// post: a create is on its way to the gateway, and somebody waits for the answer.
func (m *model) post(w *world, i int) {
	k := w.hands[i].reissues
	t := *w
	t.posts[k]++
	m.hears(w, i, fault, "gives up waiting for the answer to its create, which is still on its way", t, replyLost)
	m.hears(w, i, fault, "has its create refused for good", *w, replyRefused)
	m.hears(w, i, fault, "has its create refused for now", *w, replyNotNow)
	for _, r := range different(replyNotSent, replyThrottled, replyBusy) {
		m.hears(w, i, fault, "has its create turned away, to be sent again later", *w, r)
	}
	m.hears(w, i, fault, "has its create turned away, since its signature is refused", *w, replyUnsigned)
	m.hears(w, i, fault, "has its create turned away, since the merchant's configuration is refused", *w, replyHeld)
	if had := w.records[k]; had != none && m.unique {
		again := replyDuplicate
		if m.sameQR && had == live {
			again = replyCreated
		}
		m.hears(w, i, course, "sends its create, and the gateway has the number", *w, again)
		return
	}
	t = *w
	m.store(&t, int(k))
	m.hears(w, i, course, "sends its create, and gets a QR code", t, replyCreated)
	for _, r := range different(replyLost, replyUnknown, replyStored, replyDuplicate, replyProxy) {
		m.hears(w, i, fault, "sends its create, which is carried out, and gets an answer that does not say so", t, r)
	}
	if m.untrue {
		m.hears(w, i, fault, "sends its create, which is carried out, and is told that the merchant's configuration is refused", t, replyHeld)
	}
	t.records[k] = broken
	m.hears(w, i, fault, "sends its create, which fails at the channel", t, replyUnknown)
	m.hears(w, i, fault, "sends its create, which fails at the channel, and is told so", t, replyNotNow)
	t.records[k] = barred
	m.hears(w, i, fault, "sends its create, which is refused and kept", t, replyStored)
}

// shut: a close is on its way to the gateway, and somebody waits for the answer.
func (m *model) shut(w *world, i int) {
	k := w.hands[i].reissues
	at := *w
	at.hands[i].closeSentHere = true
	t := at
	t.closes[k]++
	m.hears(w, i, fault, "gives up waiting for the answer to its close, which is still on its way", t, replyCloseLost)
	for _, r := range different(replyNotClosed, replyCloseUnset) {
		m.hears(w, i, fault, "has its close turned away", at, r)
	}
	t = at
	t.close(int(k))
	m.hears(w, i, course, "sends its close", t, replyClosed)
}

// different returns each reply once.
func different(all ...policy.Reply) []policy.Reply {
	slices.Sort(all)
	return slices.Compact(all)
}
