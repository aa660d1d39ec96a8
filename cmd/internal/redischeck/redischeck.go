// Package redischeck checks, before a command begins, whether a Redis server is fit for it: its
// version, role, memory policy, persistence and replicas, and what its ACL lets the user do.
package redischeck

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// ConfigError is a problem of REDIS_URL, and not of the server.
type ConfigError string

// Error implements error.
func (e ConfigError) Error() string { return string(e) }

// ErrUnanswered means that Redis went away during the check: nothing is known of it.
var ErrUnanswered = errors.New("Redis did not answer the checks")

// Check checks the server that holds this shard for what a role does, and, for a worker, against
// the durability that is configured. A problem that rules the server out is part of the error, one
// line each, with the remedy; one that is wrong with REDIS_URL is a [ConfigError]. A problem that
// puts orders at risk is a warning. Check changes nothing.
//
// If the server hides a value, Check warns and does not fail: managed services hide much,
// and some servers speak Redis's protocol without being Redis.
func Check(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, role Role, d tasks.Durability) (warnings []string, err error) {
	found, err := findAll(ctx, rdb, keys, role, d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	var refused []error
	for _, p := range found {
		switch {
		case p.url:
			refused = append(refused, ConfigError(p.text))
		case p.fatal:
			refused = append(refused, errors.New(p.text))
		case role == Worker:
			warnings = append(warnings, p.text)
		}
	}
	return warnings, errors.Join(refused...)
}

// findAll reads what the server reports of itself, and tries what it allows. On a server that is
// wrong altogether it tries nothing.
func findAll(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, role Role, d tasks.Durability) ([]problem, error) {
	node, err := redisserver.ForKey(ctx, rdb, keys.Due())
	if err != nil {
		return nil, err
	}
	s := server{durability: d, oneNode: node == rdb}
	text, infoErr := node.Info(ctx).Result()
	if infoErr != nil && !answered(infoErr) {
		return nil, fmt.Errorf("INFO: %w", infoErr)
	}
	var found []problem
	if infoErr != nil {
		found = []problem{warn("Redis does not answer INFO (%v), so its settings could not be checked", infoErr)}
	} else {
		s.info = redisserver.ParseInfo(text)
		if role == Worker {
			save, err := node.ConfigGet(ctx, "save").Result()
			s.save, s.saveKnown = save["save"], err == nil
		}
		found = s.problems(role)
	}
	for _, p := range found {
		if p.url || p.fatal && s.readOnly().fatal {
			return found, nil
		}
	}
	refused, err := refusals(ctx, rdb, keys, role)
	return append(found, refused...), err
}
