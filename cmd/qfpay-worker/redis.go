package main

import (
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// keyPrefix is what WORKER_KEY_PREFIX may be: one hash tag, so that on a cluster
// all keys of a shard share a slot and a script may touch them together.
var keyPrefix = regexp.MustCompile(`^\{[a-z0-9_-]+\}$`)

// Redis is a Redis that can be connected to: one server, one behind Sentinels, or
// a cluster. Exactly one of the three is set.
type Redis struct {
	address  string // for people: no credentials
	single   *redis.Options
	sentinel *redis.FailoverOptions
	cluster  *redis.ClusterOptions
}

// String returns the address without user and password.
func (r Redis) String() string { return r.address }

// GoString is String, so that %#v shows no password either.
func (r Redis) GoString() string { return r.address }

// Connect returns a client that Redis's CLIENT LIST shows under name, a word without
// spaces. pool is the
// most connections it may hold to one node; 0 leaves what the URL or go-redis says
// (10 a CPU). It does not dial: the first command does. The caller closes it.
func (r Redis) Connect(name string, pool int) redis.UniversalClient {
	switch {
	case r.sentinel != nil:
		o := *r.sentinel
		o.ClientName, o.PoolSize = orName(o.ClientName, name), orSize(pool, o.PoolSize)
		return redis.NewFailoverClient(&o)
	case r.cluster != nil:
		o := *r.cluster
		o.ClientName, o.PoolSize = orName(o.ClientName, name), orSize(pool, o.PoolSize)
		return redis.NewClusterClient(&o)
	default:
		o := *r.single
		o.ClientName, o.PoolSize = orName(o.ClientName, name), orSize(pool, o.PoolSize)
		return redis.NewClient(&o)
	}
}

func orName(given, name string) string {
	if given != "" {
		return given
	}
	return name
}

func orSize(size, otherwise int) int {
	if size != 0 {
		return size
	}
	return otherwise
}

// The times of a connection, unless the URL says otherwise. Redis answers in
// milliseconds; seconds of silence mean that it is away, and the sooner that is
// known, the sooner it is said.
const (
	dialTimeout  = 3 * time.Second
	replyTimeout = 5 * time.Second
	dialRetries  = 2 // go-redis dials again for every command anyway
)

// redis reads REDIS_URL and REDIS_PASSWORD_FILE.
func (c RedisConfig) redis(found *checks) Redis {
	r, err := parseRedisURL(c.URL)
	if err != nil {
		found.failed("REDIS_URL", "%v", err)
	}
	if c.PasswordFile == "" {
		return r
	}
	password, pwErr := readSecret(c.PasswordFile)
	switch {
	case pwErr != nil:
		found.failed("REDIS_PASSWORD_FILE", "%v", pwErr)
	case err == nil && !r.setPassword(password):
		found.failed("REDIS_PASSWORD_FILE", "set, and REDIS_URL has a password too: only one of them may")
	}
	return r
}

// setPassword sets the password of the servers, unless the URL gave one.
func (r Redis) setPassword(password qfpay.Secret) bool {
	var at *string
	switch {
	case r.sentinel != nil:
		at = &r.sentinel.Password
	case r.cluster != nil:
		at = &r.cluster.Password
	default:
		at = &r.single.Password
	}
	if *at != "" {
		return false
	}
	*at = string(password)
	return true
}

func (c RedisConfig) keys(found *checks) tasks.Keys {
	if !keyPrefix.MatchString(c.KeyPrefix) {
		found.failed("WORKER_KEY_PREFIX", "must be a name of a-z, 0-9, _ and - in braces, such as {qfpay}, not %q", c.KeyPrefix)
	}
	return tasks.Keys{Prefix: c.KeyPrefix}
}
