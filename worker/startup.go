package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// CheckRedis looks whether the server that has this shard is fit to keep orders, and
// with the durability that is wanted. What makes it unfit is the error, one line each,
// with what to do; what puts orders at risk is a warning. It changes nothing.
//
// A server that does not tell what it is asked is warned about, not refused: managed
// ones hide much, and some speak Redis's protocol without being Redis.
func CheckRedis(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, d tasks.Durability) (warnings []string, err error) {
	node, err := redisserver.ForKey(ctx, rdb, keys.Due())
	if err != nil {
		return nil, err
	}
	s := server{durability: d}
	text, infoErr := node.Info(ctx).Result()
	if infoErr != nil {
		return []string{fmt.Sprintf("Redis does not answer INFO (%v): whether it is fit to keep orders cannot be checked", infoErr)}, ctx.Err()
	}
	s.info = redisserver.ParseInfo(text)
	if save, err := node.ConfigGet(ctx, "save").Result(); err == nil {
		s.save, s.saveKnown = save["save"], true
	}
	var unfit []error
	for _, f := range s.check() {
		if f.refuse {
			unfit = append(unfit, errors.New(f.text))
		} else {
			warnings = append(warnings, f.text)
		}
	}
	return warnings, errors.Join(unfit...)
}
