// Package consume reads the streams that workers write: from the beginning, from the end, or as one
// consumer of a group. It knows no result, no payment and no key: tasks.NewResults and
// tasks.NewPayments make its readers.
//
// Start reading at [Reader.Consume] and [Reader.Follow].
package consume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Reader reads a stream that workers write: that of results, or that of payments. It is safe for
// concurrent use.
//
// Delivery is at least once: after a failure an entry may be delivered again. Deduplicate by
// the id of the result or the payment.
type Reader[E any] struct {
	rdb     redis.UniversalClient
	stream  string
	entryOf func(redis.XMessage) E

	newGroup func(group string) // see OnNewGroup

	// Constants except in tests.
	idle  time.Duration // after this time an entry that is not acknowledged is taken over
	hold  time.Duration // after this time an entry that waits here is read again
	every time.Duration // how often to look for entries to take over
}

// block is how long one blocking read takes. go-redis does not interrupt it when its context
// is cancelled, so the end of a context is noticed this much later.
const block = 250 * time.Millisecond

// ClaimAfter is how long a consumer of a group may take to acknowledge an entry. Then the
// consumer counts as dead, and another one receives the entry too.
const ClaimAfter = time.Minute

// New returns a reader of a stream. entryOf reads one message of it.
func New[E any](rdb redis.UniversalClient, stream string, entryOf func(redis.XMessage) E) *Reader[E] {
	return &Reader[E]{rdb: rdb, stream: stream, entryOf: entryOf, newGroup: func(string) {},
		idle: ClaimAfter, hold: ClaimAfter / 2, every: ClaimAfter / 4}
}

// OnNewGroup makes r call fn, with the name of the group, each time that Consume or Drain has
// created a group again that had vanished. Then entries may be delivered again, and if the stream
// has vanished with the group, those that were in it are lost. fn must not block.
func (r *Reader[E]) OnNewGroup(fn func(group string)) *Reader[E] {
	again := *r
	again.newGroup = fn
	return &again
}

// Read returns up to count entries after the entry from, the oldest first; "" is the
// beginning of the stream. It does not wait for any.
func (r *Reader[E]) Read(ctx context.Context, from string, count int64) ([]E, error) {
	if from == "" {
		from = "0"
	}
	messages, err := r.rdb.XRangeN(ctx, r.stream, "("+from, "+", count).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s after %s: %w", r.stream, from, err)
	}
	entries := make([]E, len(messages))
	for i, m := range messages {
		entries[i] = r.entryOf(m)
	}
	return entries, nil
}

// Follow calls fn with each entry after the entry from, and then with each new one as it is
// published. "" is the beginning of the stream, "$" its end. It returns the error of ctx
// when that ends, the error of fn, or that of Redis. The caller can continue after the last
// entry that fn received.
func (r *Reader[E]) Follow(ctx context.Context, from string, fn func(E) error) error {
	from, err := r.start(ctx, from)
	for err == nil {
		var messages []redis.XMessage
		messages, err = r.wait(ctx, from)
		for _, m := range messages {
			if err := fn(r.entryOf(m)); err != nil {
				return err
			}
			from = m.ID
		}
	}
	return err
}

// start returns the ID of the entry to begin after. It looks the end up once: "$" in a second
// call would skip the entries between the two calls.
func (r *Reader[E]) start(ctx context.Context, from string) (string, error) {
	switch from {
	case "":
		return "0", nil
	case "$":
		last, err := r.rdb.XRevRangeN(ctx, r.stream, "+", "-", 1).Result()
		if err != nil {
			return "", fmt.Errorf("find the end of %s: %w", r.stream, err)
		}
		if len(last) == 0 {
			return "0", nil
		}
		return last[0].ID, nil
	}
	return from, nil
}

// wait returns the messages after an entry, or waits a short time for some.
func (r *Reader[E]) wait(ctx context.Context, from string) ([]redis.XMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	streams, err := r.rdb.XRead(ctx, &redis.XReadArgs{
		Streams: []string{r.stream, from}, Count: 100, Block: block,
	}).Result()
	return one(ctx, streams, err)
}

// one returns the messages of the one stream that was read. No messages are not an error; an
// ended ctx is, and its error replaces those that it caused.
func one(ctx context.Context, streams []redis.XStream, err error) ([]redis.XMessage, error) {
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("read a stream: %w", err)
	case len(streams) == 0:
		return nil, nil
	}
	return streams[0].Messages, nil
}
