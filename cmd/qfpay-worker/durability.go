package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// DurabilityConfig says when a write to Redis counts as done. Every command that accepts
// orders or works on them has it.
type DurabilityConfig struct {
	Durability string `name:"worker-durability" group:"Redis" default:"standard" help:"When a write counts as done. standard: when Redis has written it. strict: when a replica has confirmed it too (WAIT), so that a failover does not lose it."`
}

func (c DurabilityConfig) resolve(found *checks) tasks.Durability {
	return tasks.Durability(found.choice("WORKER_DURABILITY", c.Durability, string(tasks.Standard), string(tasks.Strict)))
}

// checkRedis checks, before any order is taken, whether the Redis server can keep orders.
func checkRedis(ctx context.Context, rdb redis.UniversalClient, s Settings, log *slog.Logger) error {
	warnings, err := redischeck.Check(ctx, rdb, s.Keys, s.Durability)
	for _, w := range warnings {
		log.Warn(w, "redis", s.Redis.String())
	}
	if err != nil {
		return fmt.Errorf("Redis at %s (REDIS_URL) is not fit to keep orders:\n%w", s.Redis, err)
	}
	return nil
}
