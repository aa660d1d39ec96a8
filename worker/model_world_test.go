package worker

import (
	"bytes"
	"unsafe"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// setting is what does not change while a world goes on: the worker's configuration
// and the gateway's ways.
type setting struct {
	name    string
	payType qfpay.PayType
	lost    LostResponse
	trusted bool   // UNIQUE_NUMBERS
	unique  bool   // the gateway does refuse a number it has
	sameQR  bool   // and answers a repetition of an unpaid order with its QR code
	deaf    bool   // it never answers a query
	untrue  bool   // it may carry out a create and say that the configuration is refused; its queries are true at once
	cancels bool   // somebody may ask to cancel the order
	before  record // what stands under the order's own number from the start
}

// model is a setting and the policy under test.
type model struct {
	setting
	table        table
	next         func(policy.Facts) policy.Step
	unfenced     bool // the scripts let anybody in, to see what comes of it
	undispatched bool // and nobody looks for orders that are due
	out          []edge
}

func newModel(s setting) *model { return &model{setting: s, table: s.table(), next: policy.Next} }

// world is one state of everything: the journal, two attempts, the gateway, what is
// on its way, the wake-ups, and the time. It is a plain value of bytes, so that
// millions of them can be told apart quickly.
type world struct {
	book    book
	hands   [2]hand
	records [numbers]record
	posts   [numbers]uint8 // creates that nobody waits for any more
	closes  [numbers]uint8 // and closes
	wakes   uint8          // tasks in the queue
	clock   uint8
	left    uint8 // how much more may go wrong
}

// numbers is how many numbers one order may go by in the model: its own, its
// reissues, and one more when a person re-opens it after them.
const numbers = policy.MaxReissues + 2

func (m *model) start(budget uint8) world {
	w := world{book: newBook(), wakes: 1, left: budget}
	w.records[0] = m.before
	return w
}

// kind says what an edge needs to be taken.
type kind uint8

const (
	course kind = iota // it happens, if nothing else does
	chance             // it may happen, and nobody can count on it
	fault              // it goes wrong, and uses up one of those that may
)

// edge is one thing that can happen.
type edge struct {
	kind kind
	hand uint8 // who, 1 or 2; 0 for nobody
	what string
	to   world
}

// edges returns everything that can happen in a world. The slice is good until the
// next call.
func (m *model) edges(w *world) []edge {
	m.out = m.out[:0]
	m.time(w)
	m.queue(w)
	m.gateway(w)
	for i := range w.hands {
		m.attempt(w, i)
	}
	return m.out
}

func (m *model) add(k kind, hand int, what string, to world) {
	if k == fault {
		if to.left == 0 {
			return
		}
		to.left--
	}
	m.out = append(m.out, edge{kind: k, hand: uint8(hand), what: what, to: to})
}

// tidy brings worlds that cannot be told apart by anything that is still to happen
// into one form. It reports whether the two attempts have changed places.
func (m *model) tidy(w *world) (swapped bool) {
	for i := range w.hands {
		if w.hands[i].place == idle {
			w.hands[i] = hand{}
			w.book.rename(token(i+1), bygone)
		}
	}
	b := &w.book
	b.notFound = min(b.notFound, 1)
	if b.lease == over {
		b.holder = nobodys
	}
	if b.end != unsettled { // every script refuses from here on
		b.holder, b.author, b.sentBy, b.notFound = nobodys, nobodys, nobodys, 0
		w.wakes = 0
		if w.hands[0].place == idle && w.hands[1].place == idle {
			w.clock = inTime // it matters again when the order is re-opened, and then begins anew
		}
		if w.left == 0 || b.end == endCreated { // it will not be
			*b = book{end: b.end, reissues: b.reissues, entries: b.entries, reopens: b.reopens, due: b.due}
		}
	}
	for k, r := range w.records {
		if m.unique && r != none {
			w.posts[k] = 0 // they will be refused
		}
		if r != none && r != live {
			w.closes[k] = 0 // they will find nothing to close
		}
	}
	return w.order()
}

// order puts the attempts in an order of their own: they are alike.
func (w *world) order() (swapped bool) {
	if bytes.Compare(w.hands[0].bytes(), w.hands[1].bytes()) <= 0 {
		return false
	}
	w.hands[0], w.hands[1] = w.hands[1], w.hands[0]
	const aside = canceller + 1
	w.book.rename(firsts, aside)
	w.book.rename(seconds, firsts)
	w.book.rename(aside, seconds)
	return true
}

// bytes are the memory of a hand, which has nothing but bytes in it.
func (h *hand) bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(h)), unsafe.Sizeof(*h)) }

func (b *book) rename(from, to token) {
	for _, t := range []*token{&b.holder, &b.sentBy, &b.author} {
		if *t == from {
			*t = to
		}
	}
}

var settings = []setting{
	{name: "an order that can be closed", payType: qfpay.AlipayHK, lost: Auto, trusted: true, unique: true, cancels: true},
	{name: "one that cannot", payType: qfpay.FPS, lost: Auto, trusted: true, unique: true, cancels: true},
	{name: "one that cannot, and is reissued", payType: qfpay.FPS, lost: Reissue, trusted: true, unique: true},
	{name: "doubt is left to a person", payType: qfpay.AlipayHK, lost: LeaveIt, trusted: true, unique: true, cancels: true},
	{name: "a repetition is answered with the QR code", payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true, sameQR: true},
	{name: "a refusal of the configuration is untrue, and no query is", payType: qfpay.FPS, lost: Auto, trusted: true, unique: true, untrue: true},
	{name: "no query is ever answered", payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true, deaf: true},
	{name: "the number is somebody else's", payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true, before: others},
	{name: "the number stands since before", payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true, before: earlier},
	{name: "numbers are neither trusted nor unique", payType: qfpay.WeChat, lost: Auto},
	{name: "numbers are unique, and not trusted", payType: qfpay.WeChat, lost: Auto, unique: true},
}
