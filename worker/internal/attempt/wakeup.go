package attempt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
)

// WakeUp names the order to claim. A task's payload, the order as JSON, is parsed once, since as
// a rule it is byte for byte what the journal has. A dispatched order has no payload.
type WakeUp struct {
	ID          string
	Payload     []byte
	Order       tasks.Order
	Invalid     error                  // why the payload is not a valid order, although it names one
	Reservation *ratelimit.Reservation // of an order that was dispatched from a wait queue

	Traceparent string // from the task's headers, for an order that has no journal yet
}

// ReadWakeUp reads a payload. It returns an error when the payload does not name an order.
func ReadWakeUp(payload []byte) (WakeUp, error) {
	w := WakeUp{Payload: payload}
	if w.Order, w.Invalid = tasks.ParseOrder(payload); w.Invalid == nil {
		var err error
		w.ID, err = tasks.ID(w.Order.Merchant, w.Order.OutTradeNo)
		return w, err
	}
	if errors.Is(w.Invalid, tasks.ErrOrderTooLong) { // a journal would keep it for a month
		return w, fmt.Errorf("%w; this payload has %d", w.Invalid, len(payload))
	}
	var err error
	w.ID, err = identify(payload)
	return w, err
}

// accepted returns the order as the journal has it.
func (w WakeUp) accepted(c journal.Claim) (tasks.Order, error) {
	if bytes.Equal(w.Payload, c.Order) {
		return w.Order, w.Invalid
	}
	return tasks.ParseOrder(c.Order)
}

// identify returns the ID of the order that a payload names.
func identify(payload []byte) (string, error) {
	var o struct {
		Merchant   string `json:"merchant"`
		OutTradeNo string `json:"out_trade_no"`
	}
	if err := json.Unmarshal(payload, &o); err != nil {
		return "", fmt.Errorf("the task's payload is not an order: %w", err)
	}
	return tasks.ID(o.Merchant, o.OutTradeNo)
}
