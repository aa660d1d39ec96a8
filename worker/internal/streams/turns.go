package streams

import (
	"cmp"
	"context"
	"time"
)

// turns reads a stream of requests for one consumer of its group: this consumer's pending entries
// first, then those of consumers that have ended, then new ones.
type turns struct {
	requests
	idle  time.Duration // after which another consumer's entries are taken over
	count int           // entries that are read at once

	isOpen bool      // the group is there
	own    bool      // this consumer may have pending entries
	looked time.Time // when entries of other consumers were last looked for
	cursor string    // where to go on with that
}

// next returns the entries whose turn it is. It may return some together with an error. fresh reads new
// ones.
func (t *turns) next(ctx context.Context, fresh func(context.Context) ([]requestEntry, error)) ([]requestEntry, error) {
	if !t.isOpen {
		if err := t.open(ctx); err != nil {
			return nil, err
		}
		t.isOpen = true
	}
	switch {
	case t.own:
		entries, err := t.left(ctx, t.count)
		if err == nil {
			t.own = len(entries) > 0
		}
		return entries, err
	case time.Since(t.looked) >= t.idle/3:
		return t.takeOver(ctx)
	default:
		return fresh(ctx)
	}
}

// failed begins again after an error. An answer that was lost may have held entries that Redis has
// given to this consumer.
func (t *turns) failed() { t.own, t.isOpen = true, false }

// takeOver takes over entries that were pending for too long, and removes consumers that have
// ended and left none.
func (t *turns) takeOver(ctx context.Context) ([]requestEntry, error) {
	found, next, err := t.claim(ctx, t.idle, cmp.Or(t.cursor, "0-0"), t.count)
	if err != nil {
		return nil, err
	}
	if t.cursor = next; next == "0-0" {
		t.looked = time.Now()
		err = t.forget(ctx, 2*t.idle, "")
	}
	return found, err
}
