package journal

import (
	"context"
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// DamagedError says that the journal of an order cannot be relied on, so that the order cannot go on.
// As a rule somebody has changed it by hand.
type DamagedError struct {
	ID      string // merchant:out_trade_no
	Problem string
	token   string // of the attempt that has the order; empty: none has
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("the journal of %s is damaged: %s", e.ID, e.Problem)
}

// Damaged returns the error of an attempt that found its order's journal damaged.
func Damaged(c *Claim, problem string) error {
	return &DamagedError{ID: c.ID, Problem: problem, token: c.Token}
}

// Intact returns a [*DamagedError] when the order in the journal is not the one that was accepted:
// another amount, for example, would be paid. o is that order as parsed, and invalid why it is not a
// valid one, or nil.
func (c *Claim) Intact(o tasks.Order, invalid error) error {
	if invalid == nil && o.Fingerprint() == c.Fingerprint && o.ID() == c.ID {
		return nil
	}
	if tasks.TextFingerprint(c.Order) == c.Fingerprint { // it was not valid when it was accepted
		return nil
	}
	return Damaged(c, "its order is not the one that was accepted: the fingerprint or the name differs")
}

// SetAside takes an order with a damaged journal out of the hands of workers: at first for a while,
// then until a person has mended it. It reports whether it was put aside for good, by this call.
func (j *Journal) SetAside(ctx context.Context, e *DamagedError) (bool, error) {
	answer, err := j.run(ctx, setAsideScript, "set aside", []string{j.Keys.Order(e.ID), j.Keys.Due(), j.Keys.Damaged()},
		e.ID, e.token, timing.DamagedTries, j.Times.Damaged.Milliseconds())
	return err == nil && answer[0] == "aside", err
}
