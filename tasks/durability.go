package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
)

// Durability says when a write to Redis counts as done. The empty profile is [Standard].
type Durability string

// The profiles. Redis replicates after it has answered: a failover may lose a write that no
// replica had received.
const (
	Standard Durability = "standard" // when the primary has it
	Strict   Durability = "strict"   // when a replica has it too
)

// Durabilities returns the profiles.
func Durabilities() []Durability { return []Durability{Standard, Strict} }

// ConfirmWithin is how long a replica may take to confirm a write under [Strict].
const ConfirmWithin = time.Second

// ErrUnconfirmed means that the primary has the write, and no replica has confirmed it in
// time: if the primary is lost now, the write may be lost too.
var ErrUnconfirmed = fmt.Errorf("no replica of Redis has confirmed it within %s", ConfirmWithin)

// Write runs the commands that fill queues, in one pipeline. Their results are in the
// commands themselves. Under [Strict] it then waits for a replica, and the error is
// [ErrUnconfirmed] if none has confirmed; otherwise it is nil.
//
// All keys must be of this shard. go-redis may repeat the commands when a connection breaks,
// so running them twice must have the effect of running them once.
func (d Durability) Write(ctx context.Context, rdb redis.UniversalClient, keys Keys, fill func(redis.Pipeliner)) error {
	if d != Strict {
		pipe := rdb.Pipeline()
		fill(pipe)
		redispipe.Exec(ctx, pipe) // its error is that of a command
		return nil
	}
	// WAIT has no key: a Cluster client would send it to any node. Therefore the pipeline goes
	// to the node of the shard, on one connection.
	node, err := redisserver.ForKey(ctx, rdb, keys.Due())
	if err != nil {
		return fail(rdb, fill, err)
	}
	wait := redis.NewIntCmd(ctx, "wait", 1, ConfirmWithin.Milliseconds())
	pipe := node.Pipeline()
	fill(pipe)
	// WAIT waits for the writes of this connection; since Redis 7.2 for these alone. A repeated
	// script writes nothing, and its first run may have been on another connection: this write
	// comes after both.
	pipe.Set(ctx, keys.confirm(), 1, time.Minute)
	pipe.Process(ctx, wait)
	err = redispipe.Exec(ctx, pipe)
	if cluster, ok := rdb.(*redis.ClusterClient); ok && err != nil {
		cluster.ReloadState(ctx) // the slot may have moved, or its node may be gone
	}
	return confirmed(wait.Result())
}

// confirmed reads the answer of WAIT: how many replicas have all writes.
func confirmed(replicas int64, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%w: WAIT: %w", ErrUnconfirmed, err)
	case replicas < 1:
		return ErrUnconfirmed
	}
	return nil
}

// fail sets the error of every command: none of them was sent.
func fail(rdb redis.UniversalClient, fill func(redis.Pipeliner), err error) error {
	pipe := rdb.Pipeline()
	fill(pipe)
	for _, cmd := range pipe.Cmds() {
		cmd.SetErr(err)
	}
	return errors.Join(ErrUnconfirmed, err)
}

// confirm is a key that is written only to be replicated.
func (k Keys) confirm() string { return k.Prefix + ":confirm" }
