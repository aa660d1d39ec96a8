// Package redischeck checks, before a worker takes orders, whether a Redis server can
// keep them: its version, role, memory policy, persistence and replicas.
package redischeck

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Check checks the server that holds this shard, against the durability that is
// configured. A problem that rules the server out is part of the error, one line each,
// with the remedy. A problem that puts orders at risk is a warning. Check changes nothing.
//
// If the server hides a value, Check warns and does not fail: managed services hide much,
// and some servers speak Redis's protocol without being Redis.
func Check(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, d tasks.Durability) (warnings []string, err error) {
	node, err := redisserver.ForKey(ctx, rdb, keys.Due())
	if err != nil {
		return nil, err
	}
	s := server{durability: d}
	text, infoErr := node.Info(ctx).Result()
	if infoErr != nil {
		return []string{fmt.Sprintf("Redis does not answer INFO (%v), so its settings could not be checked", infoErr)}, ctx.Err()
	}
	s.info = redisserver.ParseInfo(text)
	if save, err := node.ConfigGet(ctx, "save").Result(); err == nil {
		s.save, s.saveKnown = save["save"], true
	}
	var fatal []error
	for _, p := range s.problems() {
		if p.fatal {
			fatal = append(fatal, errors.New(p.text))
		} else {
			warnings = append(warnings, p.text)
		}
	}
	return warnings, errors.Join(fatal...)
}
