package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

// confirmed runs a script on which the outside world comes to rely: under the profile strict a
// replica has its effect too when confirmed returns. With an answer and [tasks.ErrUnconfirmed],
// only the primary has it so far.
func (j *Journal) confirmed(ctx context.Context, s *redis.Script, op string, keys []string, args ...any) ([]string, error) {
	if j.Durability != tasks.Strict {
		return j.run(ctx, s, op, keys, args...)
	}
	var answer *redis.Cmd
	unconfirmed := j.Durability.Write(ctx, j.Redis, j.Keys, func(pipe redis.Pipeliner) {
		answer = s.EvalSha(ctx, pipe, keys, args...)
	})
	if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
		unconfirmed = j.Durability.Write(ctx, j.Redis, j.Keys, func(pipe redis.Pipeliner) {
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
func (j *Journal) callTime() time.Duration {
	if j.Durability == tasks.Strict {
		return j.Times.Call + tasks.ConfirmWithin
	}
	return j.Times.Call
}
