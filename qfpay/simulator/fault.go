package simulator

import (
	"maps"
	"slices"
)

// Fault is one way in which a call can fail. FaultList lists them. With an endpoint in front,
// as in payment.reset, the fault applies only to that endpoint.
type Fault string

// Faults are the probabilities of faults, from 0 to 1. A call has at most one fault, so their
// sum must not exceed 1 at any endpoint.
type Faults map[Fault]float64

// cut is how an answer is cut off.
type cut uint8

const (
	uncut    cut = iota
	dropped      // the connection is closed, without an answer
	reset        // the connection is reset, without an answer
	truncate     // half of the body, then the connection is closed
)

// aftermath is the entry in the ledger after a fault with a respcd.
type aftermath uint8

const (
	nothingStored aftermath = iota
	failedOrder             // an order that failed at the channel; the answer has its syssn
	liveOrder               // an unpaid order; the answer has its syssn
	unsaidOrder             // an unpaid order; the answer does not mention it
)

// effect is the effect of a fault. The zero value is a call without a fault.
type effect struct {
	unreachable bool // no connection: the request does not arrive
	notDone     bool // the request is not processed
	cut         cut
	status      int    // HTTP status to answer with, and a page of HTML
	respcd      string // to answer with
	aftermath   aftermath

	lateLanding, lateAnswer, hidden, paidFirst     bool
	noQRCode, wrongEcho, badSignature, noSignature bool
}

// plainFaults are the faults with a fixed name. If a fault is possible before and after the
// request is processed, the name of the latter ends in _after.
var plainFaults = []struct {
	name   Fault
	does   string
	effect effect
}{
	{"unreachable", "no connection; on a port, where the request has arrived by then, as drop", effect{unreachable: true, notDone: true, cut: dropped}},
	{"drop", "the connection is closed, nothing is carried out", effect{notDone: true, cut: dropped}},
	{"drop_after", "carried out, then the connection is closed without an answer", effect{cut: dropped}},
	{"reset", "the connection is reset, nothing is carried out", effect{notDone: true, cut: reset}},
	{"reset_after", "carried out, then the connection is reset", effect{cut: reset}},
	{"land_late", "carried out only after Late, when the caller has given up", effect{lateLanding: true}},
	{"answer_late", "carried out at once, answered only after Late", effect{lateAnswer: true}},
	{"truncated", "carried out, half of the answer's body arrives", effect{cut: truncate}},
	{"html", "HTTP 200 with a page of HTML, nothing is carried out", effect{notDone: true, status: 200}},
	{"html_after", "carried out, then HTTP 200 with a page of HTML", effect{status: 200}},
	{"no_qrcode", "created, respcd 0000, and no qrcode in the answer", effect{noQRCode: true}},
	{"wrong_echo", "carried out, and the answer speaks of another order", effect{wrongEcho: true}},
	{"bad_signature", "carried out, answered with a wrong signature", effect{badSignature: true}},
	{"no_signature", "carried out, answered without a signature", effect{noSignature: true}},
	{"slow_visibility", "created, but queries do not show it until after Late", effect{hidden: true}},
	{"notify_first", "created and paid at once; the notification goes out a second before the answer", effect{paidFirst: true}},
}

// The faults of notifications, drawn when a notification is made. They are independent of the
// fault of the call.
const (
	notifyTwice        Fault = "notify_twice"
	notifyLate         Fault = "notify_late"
	notifyBadSignature Fault = "notify_bad_signature"
)

// drawing is one fault with its probability.
type drawing struct {
	name   Fault
	scope  string
	effect effect
	p      float64
}

// compile prepares valid faults for drawing, in a fixed order, so that a seed always gives the
// same result.
func (f Faults) compile() []drawing {
	var all []drawing
	for _, name := range slices.Sorted(maps.Keys(f)) {
		scope, plain := name.split()
		if isNotifyFault(plain) {
			continue
		}
		e, err := plain.effect()
		if err == nil {
			all = append(all, drawing{name, scope, e, f[name]})
		}
	}
	return all
}

// draw returns the fault of a call to endpoint for a random number u from [0, 1).
func draw(all []drawing, endpoint string, u float64) (Fault, effect) {
	for _, d := range all {
		if d.scope != "" && d.scope != endpoint {
			continue
		}
		if u -= d.p; u < 0 {
			return d.name, d.effect
		}
	}
	return "", effect{}
}
