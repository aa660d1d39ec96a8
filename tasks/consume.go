package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// consumeCount is how many entries a consumer reads at once. It is small, because the time
// to acknowledge begins for all of them at the same moment.
const consumeCount = 16

// Consume calls fn with the results for one consumer of a group: first with those that it
// received before and did not acknowledge, then with new ones, and from time to time with
// those that another consumer received more than [ClaimAfter] ago and did not acknowledge.
// After fn has returned nil, Consume acknowledges the entry. If the group does not exist,
// Consume creates it at the beginning of the stream.
//
// fn also receives entries that are not results, with their Err set; it sets one aside by
// returning nil.
//
// Consume returns the error of ctx when that ends, the error of fn, or that of Redis. Two
// consumers must not use the same name at the same time.
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

	left   bool      // entries of ours may be unacknowledged
	looked time.Time // when the entries of others were last checked
	cursor string    // where to continue that check
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

// claim takes over some entries of dead consumers. It has checked all of them when the cursor
// is back at the beginning. It also finds own entries of this consumer that it does not know
// of, because an answer was lost.
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

// handle passes entries to fn and acknowledges them one by one. Entries that have waited here
// so long that another consumer may soon take them over are read again: that shows whether
// they are still ours, and restarts their time.
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
		// The entry is acknowledged even if ctx has just ended, because fn has handled it.
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
