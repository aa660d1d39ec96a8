package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// consumeCount is how many entries a consumer takes at once. All of them count as
// taken from the same moment, so it is small.
const consumeCount = 16

// Consume calls fn with the results that fall to one consumer of a group: first with
// those that it was given before and has not acknowledged, then with new ones, and
// from time to time with those that another consumer was given more than
// [ClaimAfter] ago and has not acknowledged. An entry is acknowledged when fn has
// returned nil. The group is created at the beginning of the stream if it is missing.
//
// An entry that is no result comes to fn like any other, with its Err set: to return
// nil is to put it aside.
//
// It returns when ctx ends, with its error, when fn returns an error, with that, or
// when Redis fails. A consumer's name must not be used twice at the same time.
func (r *Results) Consume(ctx context.Context, group, consumer string, fn func(Entry) error) error {
	err := r.rdb.XGroupCreateMkStream(ctx, r.stream, group, "0").Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return fmt.Errorf("create group %s: %w", group, err)
	}
	c := consumption{Results: r, group: group, name: consumer, fn: fn, left: true}
	for ctx.Err() == nil {
		messages, err := c.next(ctx)
		if err == nil {
			err = c.handle(ctx, messages)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// consumption is one run of Consume.
type consumption struct {
	*Results
	group, name string
	fn          func(Entry) error

	left   bool      // entries of ours may be left without acknowledgement
	looked time.Time // for entries of others
	cursor string    // where to go on looking
}

// next returns entries to handle: ours, then others', then new ones.
func (c *consumption) next(ctx context.Context) ([]redis.XMessage, error) {
	if c.left {
		ours, err := c.readGroup(ctx, "0", -1)
		c.left = len(ours) > 0
		if err != nil || c.left {
			return ours, err
		}
	}
	if time.Since(c.looked) >= c.every {
		others, err := c.claim(ctx)
		if err != nil || len(others) > 0 {
			return others, err
		}
	}
	return c.readGroup(ctx, ">", block)
}

func (c *consumption) readGroup(ctx context.Context, from string, wait time.Duration) ([]redis.XMessage, error) {
	streams, err := c.rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: c.group, Consumer: c.name, Streams: []string{c.stream, from}, Count: consumeCount, Block: wait,
	}).Result()
	return one(ctx, streams, err)
}

// claim takes over some entries of dead consumers. It has looked everywhere when
// the cursor is back at the beginning. Our own entries are found too: a lost answer
// may have held some that we do not know of.
func (c *consumption) claim(ctx context.Context) ([]redis.XMessage, error) {
	if c.cursor == "" {
		c.cursor = "0-0"
	}
	messages, cursor, err := c.rdb.XAutoClaim(ctx, &redis.XAutoClaimArgs{
		Stream: c.stream, Group: c.group, Consumer: c.name, MinIdle: c.idle, Start: c.cursor, Count: consumeCount,
	}).Result()
	if err != nil {
		return one(ctx, nil, err)
	}
	if c.cursor = cursor; cursor == "0-0" {
		c.looked = time.Now()
	}
	return messages, nil
}

// handle gives entries to fn and acknowledges them one by one. Entries that have
// been waiting here so long that another consumer might soon take them over are
// read anew, which tells whether they are still ours and starts their time again.
func (c *consumption) handle(ctx context.Context, messages []redis.XMessage) error {
	since := time.Now()
	for i, m := range messages {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if i > 0 && time.Since(since) > c.hold {
			c.left = true
			return nil
		}
		if err := c.fn(entryOf(m)); err != nil {
			return err
		}
		// What fn has done is written down even when ctx has just ended.
		if err := c.ack(context.WithoutCancel(ctx), m.ID); err != nil {
			return err
		}
	}
	return nil
}

func (c *consumption) ack(ctx context.Context, id string) error {
	if err := c.rdb.XAck(ctx, c.stream, c.group, id).Err(); err != nil {
		return fmt.Errorf("acknowledge %s in group %s: %w", id, c.group, err)
	}
	return nil
}
