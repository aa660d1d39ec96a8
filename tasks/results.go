package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Results reads the result stream. It is safe for use by many goroutines.
//
// Reading is at least once: after a failure an entry may come again. The id of a
// result is the key to deduplicate by.
type Results struct {
	rdb    redis.UniversalClient
	stream string

	// Constants but for tests.
	idle  time.Duration // an entry not acknowledged for so long is taken over
	hold  time.Duration // an entry that has waited here for so long is read anew
	every time.Duration // how often to look for entries to take over
}

// block is how long one blocking read lasts. go-redis does not interrupt one when
// its context is cancelled, so this is also how late the end of a context is seen.
const block = 250 * time.Millisecond

// ClaimAfter is how long a consumer of a group may take over what it was given;
// then it counts as dead, and another consumer is given the entry too.
const ClaimAfter = time.Minute

// NewResults returns a reader. The keys' prefix must be that of the workers.
func NewResults(rdb redis.UniversalClient, keys Keys) *Results {
	return &Results{rdb: rdb, stream: keys.Results(), idle: ClaimAfter, hold: ClaimAfter / 2, every: ClaimAfter / 4}
}

// Read returns up to count results after the entry from, the oldest first; "" is
// the beginning of the stream. It does not wait for any.
func (r *Results) Read(ctx context.Context, from string, count int64) ([]Entry, error) {
	if from == "" {
		from = "0"
	}
	messages, err := r.rdb.XRangeN(ctx, r.stream, "("+from, "+", count).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s after %s: %w", r.stream, from, err)
	}
	entries := make([]Entry, len(messages))
	for i, m := range messages {
		entries[i] = entryOf(m)
	}
	return entries, nil
}

// Follow calls fn with each result after the entry from, and then with each new one
// as it comes. "" is the beginning of the stream, "$" its end. It returns when ctx
// ends, with its error, when fn returns an error, with that, or when Redis fails;
// reading can go on after the last entry that fn was given.
func (r *Results) Follow(ctx context.Context, from string, fn func(Entry) error) error {
	from, err := r.start(ctx, from)
	for err == nil {
		var messages []redis.XMessage
		messages, err = r.wait(ctx, from)
		for _, m := range messages {
			if err := fn(entryOf(m)); err != nil {
				return err
			}
			from = m.ID
		}
	}
	return err
}

// start makes an entry's ID of where to begin. The end must be pinned down once: "$"
// in a second call would pass over what came between the two.
func (r *Results) start(ctx context.Context, from string) (string, error) {
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

// wait returns what there is after an entry, or waits a little for it.
func (r *Results) wait(ctx context.Context, from string) ([]redis.XMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	streams, err := r.rdb.XRead(ctx, &redis.XReadArgs{
		Streams: []string{r.stream, from}, Count: 100, Block: block,
	}).Result()
	return one(ctx, streams, err)
}

// one returns the messages of the one stream that was read. That there are none is
// no error; that ctx has ended is, and goes before what it led to.
func one(ctx context.Context, streams []redis.XStream, err error) ([]redis.XMessage, error) {
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("read results: %w", err)
	case len(streams) == 0:
		return nil, nil
	}
	return streams[0].Messages, nil
}
