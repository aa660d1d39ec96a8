package inspect

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Progress is how far one order is. It is the zero value for an order that has no journal.
type Progress struct {
	Fingerprint string // of its content: [tasks.Order.Fingerprint]
	State       string // NEW, SENT, CLOSING or DONE; RESERVED for a number that a reissue has taken
	Outcome     string // of DONE
	Entry       string // of its result in the stream, when DONE
}

// Progress returns how far many orders are, in the sequence of their ids, with one round trip. It
// needs no right but that to read journals.
func (i *Inspector) Progress(ctx context.Context, ids []string) ([]Progress, error) {
	pipe := i.rdb.Pipeline()
	answers := make([]*redis.SliceCmd, len(ids))
	for n, id := range ids {
		answers[n] = pipe.HMGet(ctx, i.keys.Order(id), "fingerprint", "state", "outcome", "entry")
	}
	if err := redispipe.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read journals: %w", err)
	}
	all := make([]Progress, len(ids))
	for n, answer := range answers {
		p := &all[n]
		for field, at := range []*string{&p.Fingerprint, &p.State, &p.Outcome, &p.Entry} {
			*at, _ = answer.Val()[field].(string) // nil: the journal does not have it
		}
	}
	return all, nil
}

// ErrTrimmed says that a result is not in the stream any more: every consumer group has acknowledged
// it, or it was there for too long.
var ErrTrimmed = errors.New("the result is no longer in the result stream")

// ResultsAt returns entries of the result stream, in the sequence of their ids, with one round trip.
// One that is not there any more has the Err [ErrTrimmed].
func (i *Inspector) ResultsAt(ctx context.Context, ids []string) ([]tasks.Entry, error) {
	pipe := i.rdb.Pipeline()
	answers := make([]*redis.XMessageSliceCmd, len(ids))
	for n, id := range ids {
		answers[n] = pipe.XRange(ctx, i.keys.Results(), id, id)
	}
	if err := redispipe.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read %s: %w", i.keys.Results(), err)
	}
	entries := make([]tasks.Entry, len(ids))
	for n, answer := range answers {
		e := tasks.Entry{StreamID: ids[n], Err: ErrTrimmed}
		if found := answer.Val(); len(found) > 0 {
			e.Result, e.Err = tasks.ParseResult(found[0])
		}
		entries[n] = e
	}
	return entries, nil
}
