package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// DurabilityConfig says when what was written into Redis counts as written. Whoever
// accepts orders or works on them takes it.
type DurabilityConfig struct {
	Durability string `name:"worker-durability" group:"Redis" default:"standard" help:"standard: what Redis has written is written. strict: when a replica has confirmed it (WAIT), so that a failover loses none of it."`
}

func (c DurabilityConfig) resolve(found *checks) tasks.Durability {
	return tasks.Durability(found.choice("WORKER_DURABILITY", c.Durability, string(tasks.Standard), string(tasks.Strict)))
}

// checkRedis looks whether Redis is fit to keep orders, before any is taken.
func checkRedis(ctx context.Context, rdb redis.UniversalClient, s Settings, log *slog.Logger) error {
	warnings, err := worker.CheckRedis(ctx, rdb, s.Keys, s.Durability)
	for _, w := range warnings {
		log.Warn(w, "redis", s.Redis.String())
	}
	if err != nil {
		return fmt.Errorf("Redis at %s (REDIS_URL) is not fit to keep orders:\n%w", s.Redis, err)
	}
	return nil
}
