package journal

import (
	"context"
	"fmt"
	"strings"

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
func (c *Claim) Damaged(problem string) error {
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
	return c.Damaged("its order is not the one that was accepted: the fingerprint or the name differs")
}

// SetAside takes an order with a damaged journal out of the hands of workers: at first for a while,
// then until a person has mended it. It reports whether it was put aside for good, by this call.
func (j *Journal) SetAside(ctx context.Context, e *DamagedError) (bool, error) {
	answer, err := j.run(ctx, setAsideScript, "set aside", []string{j.Keys.Order(e.ID), j.Keys.Due(), j.Keys.Damaged()},
		e.ID, e.token, timing.DamagedTries, j.Times.Damaged.Milliseconds())
	return err == nil && answer[0] == "aside", err
}

// PutBack lets the workers go on with an order that was put aside, and reports whether it was. The
// error is a [*DamagedError] while its journal is still damaged.
func (j *Journal) PutBack(ctx context.Context, id string) (bool, error) {
	keys := []string{j.Keys.Order(id), j.Keys.Due(), j.Keys.Damaged()}
	for _, do := range []int{0, 1} {
		answer, err := j.run(ctx, putBackScript, "put back", keys, id, do)
		switch {
		case err != nil:
			return false, err
		case answer[0] == "not aside":
			return false, nil
		case answer[0] != "sound" || len(answer) != 3:
			return false, &DamagedError{ID: id, Problem: damage(answer[len(answer)-1])}
		}
		c := Claim{ID: id, Order: []byte(answer[1]), Fingerprint: answer[2]}
		if err := c.Intact(tasks.ParseOrder(c.Order)); err != nil {
			return false, err
		}
	}
	return true, nil
}

// damage says what is wrong with a journal, of which a script has named the field or the state.
func damage(what string) string {
	switch {
	case what == "none":
		return "its key is gone; was it deleted or evicted?"
	case what == "settled":
		return "it has its result and was in due all the same"
	case what == "reserved":
		return "its number is reserved for the reissue of another order"
	case strings.Contains(what, " "): // an error of Redis
		return what
	}
	return "the field " + what + " cannot be what it is"
}
