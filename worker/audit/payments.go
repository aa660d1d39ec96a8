package audit

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// auditedFields are what a journal says of the events of its code.
var auditedFields = []string{"state", "issued_as", "payment", "payment_entry", "refunded", "paid_twice"}

// payments checks every entry of the payment stream: the journal of its code must know it, as the one event
// of its kind. Both are written in one script, so a journal that is read after the entry must have it. It keeps
// nothing of an entry that is right.
func (a *audit) payments(ctx context.Context) error {
	reader := tasks.NewPayments(a.node, a.keys)
	for from := ""; ; {
		entries, err := reader.Read(ctx, from, auditBatch)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := a.knownPayments(ctx, entries); err != nil {
			return err
		}
		from = entries[len(entries)-1].StreamID
	}
}

// knownPayments compares entries with the journals of their codes.
func (a *audit) knownPayments(ctx context.Context, entries []tasks.PaymentEntry) error {
	a.Payments += len(entries)
	journals := make([]*redis.SliceCmd, len(entries))
	_, err := a.node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n, e := range entries {
			journals[n] = pipe.HMGet(ctx, a.keys.Order(e.Payment.OrderID()), auditedFields...)
		}
		return nil
	})
	if err != nil && !journal.IsDamage(err) {
		return err
	}
	for n, e := range entries {
		if e.Err != nil {
			a.suspects["payment entry "+e.StreamID] = e.Err.Error()
			continue
		}
		f := fields{}
		for i, value := range journals[n].Val() {
			f[auditedFields[i]], _ = value.(string)
		}
		if problem := f.paymentProblem(e); problem != "" {
			a.suspects[e.Payment.OrderID()] = problem
		}
	}
	return nil
}

// fields are those of a journal that the audit of payments reads; one that is missing is empty.
type fields map[string]string

// paymentProblem returns what is wrong with an entry of the payment stream that the journal of its order does
// not know, or "". Where the journal has expired before the stream was trimmed, nothing can be said.
func (f fields) paymentProblem(e tasks.PaymentEntry) string {
	event := tasks.PaymentEvent(e.Payment.Event)
	known := f[e.Payment.Event]
	if event.Final() {
		known = f["payment_entry"]
	}
	switch {
	case f["state"] == "":
		return ""
	case f["payment"] == "":
		return fmt.Sprintf("entry %s of the payment stream is an event of it, but it has no code that is followed", e.StreamID)
	case known == "":
		return fmt.Sprintf("entry %s of the payment stream says %s, and its journal does not know", e.StreamID, event)
	case known != e.StreamID && event.Final():
		return fmt.Sprintf("has two final events in the payment stream: %s (%s), which it knows, and %s (%s)", known, f["payment"], e.StreamID, event)
	case known != e.StreamID:
		return fmt.Sprintf("has two events %s in the payment stream: %s, which it knows, and %s", event, known, e.StreamID)
	case event.Final() && f["payment"] != string(event):
		return fmt.Sprintf("entry %s of the payment stream says %s, and its journal %s", e.StreamID, event, f["payment"])
	case f["issued_as"] != e.Payment.IssuedAs:
		return fmt.Sprintf("entry %s of the payment stream is about %s, and its code was published as %s", e.StreamID, e.Payment.IssuedAs, f["issued_as"])
	}
	return ""
}
