package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Durability says when something that was written into Redis counts as written. The
// empty one is [Standard].
type Durability string

// The profiles. Redis replicates after it has answered: a failover may lose what the
// primary had written and no replica had received.
const (
	Standard Durability = "standard" // when the primary has it
	Strict   Durability = "strict"   // when a replica has it too
)

// Durabilities returns the profiles.
func Durabilities() []Durability { return []Durability{Standard, Strict} }

// ConfirmWithin is how long a replica may take to confirm a write under [Strict].
const ConfirmWithin = time.Second

// ErrUnconfirmed says that the primary has written something down, and that no
// replica has confirmed it in time: should the primary be lost now, so may that be.
var ErrUnconfirmed = fmt.Errorf("no replica of Redis has confirmed it within %s", ConfirmWithin)

// Write runs the commands that fill queues, in one pipeline. What became of them is
// in the commands themselves. Under [Strict] it then waits for a replica, and the
// error is [ErrUnconfirmed] when none has confirmed; otherwise it is nil.
//
// All keys must be of this shard. The commands may be repeated by go-redis when a
// connection breaks, and so must have their effect once.
func (d Durability) Write(ctx context.Context, rdb redis.UniversalClient, keys Keys, fill func(redis.Pipeliner)) error {
	if d != Strict {
		rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error { fill(pipe); return nil }) // its error is that of a command
		return nil
	}
	// WAIT has no key: a Cluster client would send it to any node. So the pipeline
	// goes to the node of the shard, on one connection.
	node, err := keys.Node(ctx, rdb)
	if err != nil {
		return fail(rdb, fill, err)
	}
	wait := redis.NewIntCmd(ctx, "wait", 1, ConfirmWithin.Milliseconds())
	_, err = node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		fill(pipe)
		// WAIT waits for what this connection has written, since Redis 7.2 to the
		// letter. A script that is repeated writes nothing, and its first run was
		// perhaps on another connection: this write stands behind both.
		pipe.Set(ctx, keys.confirm(), 1, time.Minute)
		return pipe.Process(ctx, wait)
	})
	if cluster, ok := rdb.(*redis.ClusterClient); ok && err != nil {
		cluster.ReloadState(ctx) // the slot may have moved, or its node be gone
	}
	return confirmed(wait.Result())
}

// confirmed reads the answer of WAIT: how many replicas have it all.
func confirmed(replicas int64, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%w: WAIT: %w", ErrUnconfirmed, err)
	case replicas < 1:
		return ErrUnconfirmed
	}
	return nil
}

// fail gives every command the error for which none of them was sent.
func fail(rdb redis.UniversalClient, fill func(redis.Pipeliner), err error) error {
	pipe := rdb.Pipeline()
	fill(pipe)
	for _, cmd := range pipe.Cmds() {
		cmd.SetErr(err)
	}
	return errors.Join(ErrUnconfirmed, err)
}

// confirm is a key that is written for the sake of being replicated.
func (k Keys) confirm() string { return k.Prefix + ":confirm" }

// Node returns the client of the one server that has the keys of this shard: on a
// Cluster the primary of their slot, otherwise rdb itself.
func (k Keys) Node(ctx context.Context, rdb redis.UniversalClient) (redis.UniversalClient, error) {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return rdb, nil
	}
	node, err := cluster.MasterForKey(ctx, k.Due())
	if err != nil {
		return nil, fmt.Errorf("find the node of %s: %w", k.Prefix, err)
	}
	return node, nil
}

// WithDurability returns a producer whose orders are accepted when they are as safe
// as that. Under [Strict] an order that is written and not confirmed is an error, an
// [ErrUnconfirmed], and the call should be repeated: it confirms the order then.
func (p *Producer) WithDurability(d Durability) *Producer {
	durable := *p
	durable.durability = d
	return &durable
}
