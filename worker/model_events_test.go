package worker

import "github.com/qfpay-worker/qfpay-worker/worker/internal/journal"

// What happens in a world without the workers: time passes, tasks come and go, and
// at the gateway things arrive late.

// time passes. Everything else of a world happens between two such moments.
func (m *model) time(w *world) {
	b := &w.book
	if w.clock+1 < clocks {
		t := *w
		t.clock++
		m.add(course, 0, []string{pastDeadline: "the deadline passes", pastDoubtTimeout: "the doubt timeout is over"}[t.clock], t)
	}
	alive := b.lease != over && b.holder != bygone // the one who holds the order is at work
	if w.flies() && !(alive && b.sentBy == b.holder) {
		t := *w
		for _, f := range []*flight{&t.book.sent, &t.hands[0].sent, &t.hands[1].sent} {
			if *f == flying {
				*f = landed
			}
		}
		m.add(course, 0, "the landing time since the latest create is over", t)
	}
	if b.lease != over {
		t := *w
		t.book.lease = over
		if alive {
			m.add(fault, int(b.holder), "is stopped for so long that its lease runs out", t)
		} else {
			m.add(course, 0, "the lease of an attempt that has ended runs out", t)
		}
	}
}

func (w *world) flies() bool {
	return w.book.sent == flying || w.hands[0].sent == flying || w.hands[1].sent == flying
}

// queue: asynq delivers at least once, and sometimes never; the dispatcher makes up for it.
func (m *model) queue(w *world) {
	const most = 2
	if w.book.end != unsettled { // an attempt that wakes finds the result
		t := *w
		if t.clock = inTime; t.book.reopens < mostReopens && t.book.reopen() && t.book.reissues < numbers {
			m.add(fault, 0, "a person re-opens the order, with a new deadline", t)
		}
		return
	}
	if t := *w; m.cancels && !t.book.cancelled {
		t.book.cancel()
		m.add(fault, 0, "somebody asks to cancel the order", t)
	}
	if w.wakes < most {
		t := *w
		t.wakes++
		m.add(fault, 0, "asynq delivers the task once more", t)
	}
	if w.wakes > 0 {
		t := *w
		t.wakes--
		m.add(fault, 0, "asynq loses or archives the task", t)
	}
	for i := range w.hands {
		if w.hands[i].place != idle {
			continue
		}
		t := *w
		if !m.undispatched && t.book.claimDue(token(i+1)) {
			t.hands[i] = handOf(t.book)
			t.hands[i].place = deciding
			m.add(course, i+1, "finds the order due and claims it", t)
		}
		if w.wakes == 0 {
			continue
		}
		t = *w
		t.wakes--
		what := "takes the task, but the order is in other hands"
		if t.book.claim(token(i+1)) == journal.ClaimOurs {
			t.hands[i] = handOf(t.book)
			t.hands[i].place = deciding
			what = "takes the task and claims the order"
		}
		m.add(course, i+1, what, t)
	}
}

// gateway: what lands late, and what becomes of an order that stands.
func (m *model) gateway(w *world) {
	for k := range w.records {
		if w.posts[k] > 0 {
			t := *w
			t.posts[k]--
			m.store(&t, k)
			m.add(chance, 0, "a create that was thought lost arrives, and an order stands", t)
		}
		if w.closes[k] > 0 {
			t := *w
			t.closes[k]--
			t.close(k)
			m.add(chance, 0, "a close that was thought lost arrives", t)
		}
		if w.records[k] == live {
			t := *w
			t.records[k] = bought
			m.add(fault, 0, "the customer pays", t)
			t = *w
			t.records[k] = ranOut
			m.add(fault, 0, "the QR code expires", t)
		}
	}
}

// store carries a create out.
func (m *model) store(w *world, k int) {
	switch r := &w.records[k]; {
	case *r == none:
		*r = live
	case m.unique:
	case r.mine():
		*r = twofold
	default:
		*r = live
	}
}

func (w *world) close(k int) {
	if w.records[k] == live {
		w.records[k] = shut
	}
}
