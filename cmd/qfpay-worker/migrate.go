package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/worker/migrate"
)

// MigrateCmd rewrites the orders of another version.
type MigrateCmd struct {
	Back bool `help:"From this version to the one before it."`
	RedisConfig
}

// Help is shown below the flags.
func (MigrateCmd) Help() string {
	return `Rewrites the orders in Redis as this version reads them, or with --back as the version
before it does. No worker may run meanwhile; producers and readers of results may. It
needs the rights of the worker's user. It may be repeated.

Exit code 2: it was refused and nothing was changed; the message says why.`
}

// Run implements the command.
func (c *MigrateCmd) Run(ctx context.Context, std stdio) error {
	server, keys, err := c.RedisConfig.Resolve()
	if err != nil {
		return err
	}
	rdb := server.Connect("qfpay-worker-migrate", 0)
	defer rdb.Close()
	var done migrate.Report
	if err = server.ready(ctx, std.err, rdb, keys, redischeck.Worker); err == nil {
		direction := migrate.Forward
		if c.Back {
			direction = migrate.Back
		}
		done, err = migrate.Run(ctx, rdb, keys, direction)
	}
	if _, refused := errors.AsType[*migrate.Refused](err); refused {
		return inputError{err}
	}
	if err != nil {
		return fmt.Errorf("Redis at %s (REDIS_URL) failed: %w", server, err)
	}
	_, err = fmt.Fprintf(std.out, "migrated=%d\n", done.Orders)
	return err
}
