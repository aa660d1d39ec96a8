package policy

// Closing is what to do next about an order whose QR code is published and that somebody has asked to
// cancel.
type Closing uint8

// The steps.
const (
	CloseQuery   Closing = iota // query it: only a query shows what became of it
	CloseNow                    // it stands unpaid: close it
	CloseLater                  // look at it again later
	CloseDead                   // QFPay shows it dead
	ClosePaid                   // it is paid
	CloseCannot                 // it stands unpaid, and QFPay documents no way to close it
	CloseUnclear                // QFPay did not show for too long what became of it
)

// Result is the journal's word for a step that ends the closing, or "".
func (c Closing) Result() string {
	return map[Closing]string{CloseDead: "closed", ClosePaid: "paid", CloseCannot: "cannot_close", CloseUnclear: "unclear"}[c]
}

// NextClosing decides, by what the latest call has shown: a query, a close, or [Nothing]. A close leaves only when
// the order was just shown unpaid, since a reversal of a paid order may refund it; and only what a query shows
// counts. young says that the wallet closes no order of this age yet, and late that the closing was asked for too long
// ago to go on.
func NextClosing(r Reply, closable, young, closeSent, late bool) Closing {
	switch r {
	case Nothing, CloseSent:
		return CloseQuery
	case Paid:
		return ClosePaid
	case Closed, Failed, Declined:
		return CloseDead
	case Unpaid:
		switch {
		case !closable:
			return CloseCannot
		case !young && !closeSent && !late:
			return CloseNow
		}
	}
	if late {
		return CloseUnclear
	}
	return CloseLater
}
