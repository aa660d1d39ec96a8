package main

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// group is a consumer group of the result stream, and one consumer in it.
type group struct {
	rdb            redis.UniversalClient
	stream         string
	name, consumer string
}

func groupOf(rdb redis.UniversalClient, keys tasks.Keys, name, consumer string) group {
	return group{rdb: rdb, stream: keys.Results(), name: name, consumer: consumer}
}

// askEvery is how often Redis is asked whether a group has read everything.
const askEvery = 100 * time.Millisecond

// consumeAll consumes until the group has read what was in the stream when it
// began, and this consumer has acknowledged its part of it. A result that comes to
// us at the very end is left for the next time: it is ours, and not acknowledged.
func consumeAll(ctx context.Context, results *tasks.Results, g group, fn func(tasks.Entry) error) error {
	end, err := g.end(ctx)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var asking error
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		defer stop()
		asking = g.wait(reading, end)
	}()
	err = results.Consume(reading, g.name, g.consumer, fn)
	stop()
	<-asked
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return asking // nil: all is read
	}
	return err
}

// end returns the last entry of the stream.
func (g group) end(ctx context.Context) (string, error) {
	last, err := g.rdb.XRevRangeN(ctx, g.stream, "+", "-", 1).Result()
	if err != nil || len(last) == 0 {
		return "0-0", err
	}
	return last[0].ID, nil
}

// wait asks until everything up to end is read, or ctx ends.
func (g group) wait(ctx context.Context, end string) error {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		if read, err := g.read(ctx, end); read || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// read tells whether everything up to end was given to some consumer, and this one
// has nothing left: neither its own nor what is to be taken over from the dead.
func (g group) read(ctx context.Context, end string) (bool, error) {
	groups, err := g.rdb.XInfoGroups(ctx, g.stream).Result()
	if redis.HasErrorPrefix(err, "no such key") { // go-redis cuts the ERR off
		return false, nil // the group is not made yet, nor the stream
	} else if err != nil {
		return false, ifAlive(ctx, err)
	}
	for _, info := range groups {
		if info.Name != g.name {
			continue
		}
		for _, left := range []func() (int, error){
			func() (int, error) { return g.undelivered(ctx, info.LastDeliveredID, end) },
			func() (int, error) { return g.pending(ctx, g.consumer, 0) },
			func() (int, error) { return g.pending(ctx, "", tasks.ClaimAfter) },
		} {
			if n, err := left(); n > 0 || err != nil {
				return false, ifAlive(ctx, err)
			}
		}
		return true, nil
	}
	return false, nil
}

func (g group) undelivered(ctx context.Context, from, to string) (int, error) {
	entries, err := g.rdb.XRangeN(ctx, g.stream, "("+from, to, 1).Result()
	return len(entries), err
}

// pending counts, up to one, the entries that were given to a consumer, or to any,
// and have not been acknowledged for some time.
func (g group) pending(ctx context.Context, consumer string, since time.Duration) (int, error) {
	entries, err := g.rdb.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: g.stream, Group: g.name, Consumer: consumer, Idle: since, Start: "-", End: "+", Count: 1,
	}).Result()
	return len(entries), err
}

// ifAlive passes on an error, unless it is what the end of ctx led to.
func ifAlive(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
