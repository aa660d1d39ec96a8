package worker

// wrong says which promise a world breaks, or nothing.
func (m *model) wrong(w *world) string {
	standing := 0
	for _, r := range w.records {
		if r.mine() {
			standing++
		}
		if r == twofold {
			standing++
		}
	}
	end, k := w.book.end, w.book.reissues
	switch {
	case standing > 1:
		return "I1: two orders that can be paid stand at the gateway for one order"
	case w.book.entries > w.book.reopens+1:
		return "I2: a second result was published"
	case (w.book.entries == w.book.reopens+1) != (end != unsettled):
		return "I2: the journal and the result stream do not agree"
	case (end == endRejected || end == endExpired || end == endCancelled) && standing > 0:
		return "I3: " + endingNames[end] + " was published, and an order that can be paid stands at the gateway"
	case end == endCreated && w.records[k] != live && w.records[k] != bought && w.records[k] != ranOut:
		return "I4: created was published, and at the gateway: " + recordNames[w.records[k]]
	case end == endCreated && m.beingClosed(w, k):
		return "I4: created was published, and a close of it is on its way"
	case w.book.due != (end == unsettled):
		return "I5: an order is in due without need, or has no result and is not in due"
	case m.meddles(w):
		return "I4: a close is sent for an order that is not ours"
	}
	return ""
}

// meddles reports whether somebody else's order is about to be closed.
func (m *model) meddles(w *world) bool {
	for _, h := range w.hands {
		if r := w.records[h.reissues]; h.place == closing && (r == others || r == earlier) {
			return true
		}
	}
	return false
}

func (m *model) beingClosed(w *world, k uint8) bool {
	for _, h := range w.hands {
		if h.place == closing && h.reissues == k {
			return true
		}
	}
	return w.closes[k] > 0
}

// timeIsUp reports whether there is nothing left to wait for: then the order must
// reach its result without going round in circles.
func (w *world) timeIsUp() bool { return w.clock == pastDoubtTimeout && !w.flies() }
