package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// releaser releases orders into the worker's queues at a rate. They were accepted before, and
// their tasks are set aside. Releasing one is a single LMOVE, so that no producer uses the cores
// during the measurement.
type releaser struct {
	environment *environment
	opened      map[string]time.Time // by the order's ID: when its task was released
	warm        int                  // orders that were released during the warm-up
}

// fillReleaser accepts n orders on an empty Redis, in both lanes and for all merchants, and sets
// their tasks aside. Their first looks are put off: a dispatcher would start what was not released.
func fillReleaser(ctx context.Context, s *environment, n int) (*releaser, error) {
	if err := s.redis.Client.FlushAll(ctx).Err(); err != nil {
		return nil, err
	}
	orders := newOrders(s.series(), 0, n)
	for i := range orders {
		orders[i].Merchant = merchantName(i / 2 % rig.Merchants)
		orders[i].Lane = tasks.Lanes()[i%2]
	}
	if _, err := tasks.NewProducer(s.redis.Client, keys).EnqueueAll(ctx, orders); err != nil {
		return nil, err
	}
	later := &redis.ZStore{Keys: []string{keys.Due()}, Weights: []float64{1.001}} // by weeks
	if err := s.redis.Client.ZUnionStore(ctx, keys.Due(), later).Err(); err != nil {
		return nil, err
	}
	for _, lane := range tasks.Lanes() {
		if err := s.redis.Client.Rename(ctx, pending(lane), aside(lane)).Err(); err != nil {
			return nil, err
		}
	}
	return &releaser{environment: s, opened: make(map[string]time.Time, n)}, nil
}

// pending is asynq's list of a lane's tasks, and aside the list of those set aside.
func pending(l tasks.Lane) string { return "asynq:{" + keys.Queue(l) + "}:pending" }
func aside(l tasks.Lane) string   { return "asynq:{" + keys.Queue(l) + "}:aside" }

// run releases orders at a rate. Its steps are as short as possible, so that orders arrive one by
// one, because a burst would form its own queue.
func (t *releaser) run(ctx context.Context, rate float64, span time.Duration) error {
	return pace(ctx, rate, span, 2*time.Millisecond, func(n int) error { return t.open(ctx, n) })
}

// open releases n orders.
func (t *releaser) open(ctx context.Context, n int) error {
	pipe := t.environment.redis.Client.Pipeline()
	for i := range n {
		lane := tasks.Lanes()[(len(t.opened)+i)%2]
		pipe.LMove(ctx, aside(lane), pending(lane), "right", "left")
	}
	now := time.Now()
	moved, err := pipe.Exec(ctx)
	for _, m := range moved {
		t.opened[m.(*redis.StringCmd).Val()] = now
	}
	return err
}

// overheads returns the time of each order from release to result, without the gateway's time.
func (t *releaser) overheads(ctx context.Context, stream string) ([]time.Duration, error) {
	entries, err := t.environment.redis.Client.XRange(ctx, stream, "-", "+").Result()
	if err != nil {
		return nil, err
	}
	all := make([]time.Duration, 0, len(entries))
	for _, entry := range entries[t.warm:] {
		id := fmt.Sprint(entry.Values["id"])
		opened, is := t.opened[id]
		settled, err := time.Parse(time.RFC3339, fmt.Sprint(entry.Values["settled_at"]))
		if err != nil || !is {
			return nil, fmt.Errorf("settled_at of the result of %q, let in %s: %w", id, opened, err)
		}
		all = append(all, max(0, settled.Sub(opened)-gatewayTime))
	}
	return all, nil
}

// sendDelays returns how long each call except the first took from the limiter to its first byte.
func sendDelays(file string, first int) ([]time.Duration, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []time.Duration
	for lines := json.NewDecoder(bufio.NewReader(f)); lines.More(); {
		var call qfpay.Call
		if err := lines.Decode(&call); err != nil {
			return nil, err
		}
		all = append(all, call.SendDelay)
	}
	return all[first:], nil
}
