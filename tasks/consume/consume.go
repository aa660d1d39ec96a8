package consume

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisstream"
)

// consumeCount is how many entries a consumer reads at once. It is small, because the time
// to acknowledge begins for all of them at the same moment.
const consumeCount = 16

// Consume calls fn with the entries for one consumer of a group: first with those that it
// received before and did not acknowledge, then with new ones, and from time to time with
// those that another consumer received more than [ClaimAfter] ago and did not acknowledge.
// After fn has returned nil, Consume acknowledges the entry. If the group does not exist,
// Consume creates it at the beginning of the stream; if it vanishes later (FLUSHALL, XGROUP
// DESTROY, a failover), Consume creates it again, and fn receives all entries in the stream
// again: see [Reader.OnNewGroup].
//
// fn also receives entries that cannot be read, with their Err set; it sets one aside by
// returning nil.
//
// Consume returns the error of ctx when that ends, the error of fn, or that of Redis. Two
// consumers must not use the same name at the same time.
func (r *Reader[E]) Consume(ctx context.Context, group, consumer string, fn func(E) error) error {
	return r.consume(ctx, &consumption[E]{Reader: r, group: group, name: consumer, fn: fn, left: true})
}

// Drain is Consume for the entries that are in the stream now. It returns nil when the group
// has read all of them, and this consumer has acknowledged its own and taken over those of
// dead consumers.
func (r *Reader[E]) Drain(ctx context.Context, group, consumer string, fn func(E) error) error {
	end, err := r.start(ctx, "$")
	if err != nil {
		return err
	}
	return r.consume(ctx, &consumption[E]{Reader: r, group: group, name: consumer, fn: fn, left: true, end: end})
}

func (r *Reader[E]) consume(ctx context.Context, c *consumption[E]) error {
	if err := r.openGroup(ctx, c.group); err != nil {
		return err
	}
	for ctx.Err() == nil {
		messages, err := c.next(ctx)
		if err == nil && len(messages) == 0 && c.drained() {
			return nil
		}
		if vanished(err) {
			if err = r.openGroup(ctx, c.group); err == nil {
				c.reset()
				r.newGroup(c.group)
			}
		}
		if err == nil {
			err = c.handle(ctx, messages)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// vanished reports whether there is no such group, or no such stream, any more. A client that waits
// for entries then is told in other words (Redis 7.0, blocked.c).
func vanished(err error) bool {
	return redis.HasErrorPrefix(err, "NOGROUP") || redis.HasErrorPrefix(err, "UNBLOCKED")
}

// openGroup creates the group, at the beginning of the stream, if it does not exist.
func (r *Reader[E]) openGroup(ctx context.Context, group string) error {
	err := r.rdb.XGroupCreateMkStream(ctx, r.stream, group, "0").Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return fmt.Errorf("create group %s: %w", group, err)
	}
	return nil
}

// consumption is one run of Consume or Drain.
type consumption[E any] struct {
	*Reader[E]
	group, name string
	fn          func(E) error

	left   bool      // entries of ours may be unacknowledged
	looked time.Time // when the entries of others were last checked
	cursor string    // where to continue that check

	end   string // of Drain: the last entry of the stream when it began
	last  string // the last new entry that was read
	again bool   // own entries were read again at the end
}

// reset begins again, in a group that is new.
func (c *consumption[E]) reset() {
	c.left, c.looked, c.cursor, c.last, c.again = true, time.Time{}, "", "", false
}

// drained reports, when there is nothing to handle, whether Drain is done. It is not before the
// check for the entries of others is complete, and own entries were read once more: an answer
// that was lost may have held some.
func (c *consumption[E]) drained() bool {
	if c.end == "" || time.Since(c.looked) >= c.every {
		return false
	}
	again := c.again
	c.left, c.again = true, true
	return again
}

// next returns entries to handle: ours, then others', then new ones.
func (c *consumption[E]) next(ctx context.Context) ([]redis.XMessage, error) {
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
	return c.readNew(ctx)
}

// readNew returns new entries. Drain does not wait for any, and reads none after its end.
func (c *consumption[E]) readNew(ctx context.Context) ([]redis.XMessage, error) {
	wait := time.Duration(block)
	if c.end != "" {
		if redisstream.Compare(c.last, c.end) >= 0 {
			return nil, nil
		}
		wait = -1
	}
	messages, err := c.readGroup(ctx, ">", wait)
	if len(messages) > 0 {
		c.last = messages[len(messages)-1].ID
	}
	return messages, err
}

func (c *consumption[E]) readGroup(ctx context.Context, from string, wait time.Duration) ([]redis.XMessage, error) {
	streams, err := c.rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: c.group, Consumer: c.name, Streams: []string{c.stream, from}, Count: consumeCount, Block: wait,
	}).Result()
	return one(ctx, streams, err)
}

// claim takes over some entries of dead consumers. It has checked all of them when the cursor
// is back at the beginning. It also finds own entries of this consumer that it does not know
// of, because an answer was lost.
func (c *consumption[E]) claim(ctx context.Context) ([]redis.XMessage, error) {
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
func (c *consumption[E]) handle(ctx context.Context, messages []redis.XMessage) error {
	since := time.Now()
	for i, m := range messages {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if i > 0 && time.Since(since) > c.hold {
			c.left = true
			return nil
		}
		if err := c.fn(c.entryOf(m)); err != nil {
			return err
		}
		// The entry is acknowledged even if ctx has just ended, because fn has handled it.
		if err := c.ack(context.WithoutCancel(ctx), m.ID); err != nil {
			return err
		}
	}
	return nil
}

func (c *consumption[E]) ack(ctx context.Context, id string) error {
	if err := c.rdb.XAck(ctx, c.stream, c.group, id).Err(); err != nil {
		return fmt.Errorf("acknowledge %s in group %s: %w", id, c.group, err)
	}
	return nil
}
