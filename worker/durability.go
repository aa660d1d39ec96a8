package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

// confirmed runs a script on which the outside world comes to rely: under the profile strict a
// replica has its effect too when confirmed returns. With an answer and [tasks.ErrUnconfirmed],
// only the primary has it so far.
func (j *journal) confirmed(ctx context.Context, s *redis.Script, op string, keys []string, args ...any) ([]string, error) {
	if j.durability != tasks.Strict {
		return j.run(ctx, s, op, keys, args...)
	}
	var answer *redis.Cmd
	unconfirmed := j.durability.Write(ctx, j.rdb, j.keys, func(pipe redis.Pipeliner) {
		answer = s.EvalSha(ctx, pipe, keys, args...)
	})
	if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
		unconfirmed = j.durability.Write(ctx, j.rdb, j.keys, func(pipe redis.Pipeliner) {
			answer = s.Eval(ctx, pipe, keys, args...)
		})
	}
	words, err := answer.Slice()
	switch {
	case err != nil:
		return nil, fmt.Errorf("journal: %s: %w", op, err)
	case len(words) == 0:
		return nil, fmt.Errorf("journal: %s: empty answer", op)
	case unconfirmed != nil:
		return redisscript.Texts(words), fmt.Errorf("journal: %s: %w", op, unconfirmed)
	}
	return redisscript.Texts(words), nil
}

// callTime is how long a call may take from its intent on: under strict the call leaves only
// when the intent is confirmed.
func (j *journal) callTime() time.Duration {
	if j.durability == tasks.Strict {
		return j.times.Call + tasks.ConfirmWithin
	}
	return j.times.Call
}

// settleOp names, for [RedisFailed], which part of a settle failed.
func settleOp(err error) string {
	if errors.Is(err, tasks.ErrUnconfirmed) {
		return "wait"
	}
	return "settle"
}

// reportUnconfirmed writes the log line of a result that is in the stream, but that no replica
// has confirmed in time. Readers may have it, so it stands.
func (a *attempt) reportUnconfirmed(r tasks.Result, err error) {
	a.handler.log.LogAttrs(context.Background(), slog.LevelError,
		"a result is published, but no replica of Redis has confirmed it: a failover now may lose it",
		append(a.attrs(), slog.String("outcome", r.Outcome), slog.Any("error", err),
			slog.String("hint", "look at the replicas: INFO replication"))...)
}
