package rig

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is a redis-server without persistence, on a loopback port, for all candidates.
type Redis struct {
	*Process
	Addr   string
	URL    string // as in REDIS_URL
	Client *redis.Client
}

// StartRedis starts a redis-server and waits until it answers.
func (r *Rig) StartRedis(ctx context.Context) (*Redis, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p, err := r.Start("redis", nil, "redis-server", "--bind", "127.0.0.1", "--port", port,
		"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction")
	if err != nil {
		return nil, err
	}
	s := &Redis{Process: p, Addr: addr, URL: "redis://" + addr + "/0",
		Client: redis.NewClient(&redis.Options{Addr: addr, PoolSize: 128, ReadTimeout: time.Minute})}
	return s, p.until(ctx, 10*time.Second, func(ctx context.Context) error { return s.Client.Ping(ctx).Err() })
}

// Memory is what the data set takes, in bytes.
func (s *Redis) Memory(ctx context.Context) (int64, error) {
	return s.info(ctx, "memory", "used_memory")
}

// Executed is how many commands were executed since the start, those within scripts
// included.
func (s *Redis) Executed(ctx context.Context) (int64, error) {
	return s.info(ctx, "stats", "total_commands_processed")
}

func (s *Redis) info(ctx context.Context, section, name string) (int64, error) {
	text, err := s.Client.Info(ctx, section).Result()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("INFO %s has no %s", section, name)
}
