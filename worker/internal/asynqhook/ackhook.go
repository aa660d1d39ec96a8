package asynqhook

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// ackHook repeats asynq's acknowledgement of a task until it is written. asynq v0.25 and v0.26
// give a failed acknowledgement to a "syncer" whose context has already ended, so that it never
// succeeds (processor.go, markAsDone and its kin): the task stays active and runs again a minute
// later. With the journal that second run is harmless, but for a minute the task looks stuck.
//
// It recognizes the scripts by their keys: the active list and the lease set, without the
// pending list in first place, which is the dequeue.
type ackHook struct{}

// DialHook implements [redis.Hook].
func (ackHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements [redis.Hook].
func (ackHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements [redis.Hook]. It repeats until the context ends, which
// for an acknowledgement is when its lease does; without a deadline, not at all.
func (ackHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if _, bounded := ctx.Deadline(); !bounded || !acknowledges(cmd) {
			return err
		}
		for unwritten(err) && wait.Sleep(ctx, timing.AckPause) == nil {
			cmd.SetErr(nil)
			err = next(ctx, cmd)
		}
		return err
	}
}

// acknowledges reports whether cmd is one of asynq's scripts that end a task's run.
func acknowledges(cmd redis.Cmder) bool {
	keys := scriptKeys(cmd)
	ends := func(suffix string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.HasSuffix(k, suffix) })
	}
	return len(keys) > 0 && !strings.HasSuffix(keys[0], ":pending") && ends(":active") && ends(":lease")
}

// unwritten reports whether a command may succeed when it is repeated: the server has not
// answered, or its answer means "not now".
func unwritten(err error) bool {
	if err == nil {
		return false
	}
	var answer redis.Error
	if !errors.As(err, &answer) {
		return true
	}
	return slices.ContainsFunc(notNow, func(kind string) bool { return redis.HasErrorPrefix(err, kind) })
}

// notNow are the errors of a server that will take the command later: during a failover or a
// start, while a replica or a slot is missing, out of memory, with a full disk.
var notNow = []string{"READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "OOM", "MISCONF"}
