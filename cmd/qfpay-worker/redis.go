package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// keyPrefix matches a WORKER_KEY_PREFIX: one hash tag, so that on a cluster all keys of a
// shard share a slot and one script may use them together.
var keyPrefix = regexp.MustCompile(`^\{[a-z0-9_-]+\}$`)

// Redis holds the connection options of one server, of servers behind Sentinels, or of a
// cluster. Exactly one of the three is set.
type Redis struct {
	address  string // for messages, without credentials
	single   *redis.Options
	sentinel *redis.FailoverOptions
	cluster  *redis.ClusterOptions
}

// String returns the address without user and password.
func (r Redis) String() string { return r.address }

// GoString is String, so that %#v does not show a password either.
func (r Redis) GoString() string { return r.address }

// Connect returns a client that CLIENT LIST of Redis shows under name, a word without
// spaces. pool is the greatest number of connections to one node; 0 means the value of the
// URL or else that of go-redis (10 per CPU). Connect does not dial: the first command does.
// The caller closes the client.
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

// The timeouts of a connection, unless the URL sets them. Redis answers in milliseconds, so
// after seconds without an answer it must be down, and an early error helps.
const (
	dialTimeout  = 3 * time.Second
	replyTimeout = 5 * time.Second
	dialRetries  = 2 // go-redis also dials again for every command
)

// redis reads the settings of the connection.
func (c RedisConfig) redis(found *checks) Redis {
	r, err := parseRedisURL(c.URL)
	if err != nil {
		found.failed("REDIS_URL", "%v", err)
	}
	if c.PasswordFile != "" {
		if _, pwErr := readPassword(c.PasswordFile); pwErr != nil {
			found.failed("REDIS_PASSWORD_FILE", "%v", pwErr)
		}
		found.secretFile("REDIS_PASSWORD_FILE", c.PasswordFile)
	}
	sentinel := c.sentinelPassword(found)
	files := c.tlsFiles(found)
	if err != nil {
		return r
	}
	if c.PasswordFile != "" && !r.readPasswordFrom(c.PasswordFile) {
		found.failed("REDIS_PASSWORD_FILE", "set, but REDIS_URL has a password too: set only one of them")
	}
	r.setSentinel(found, c.SentinelUsername, sentinel)
	r.setDialer(found, files)
	return r
}

// readPasswordFrom makes each new connection use the password that is in the file by then, so
// that a rotated password needs no restart. It returns false if the URL has a password.
func (r Redis) readPasswordFrom(path string) bool {
	o := r.options()
	if *o.password != "" {
		return false
	}
	user := *o.username
	*o.credentials = func(context.Context) (string, string, error) {
		password, err := readPassword(path)
		if err != nil {
			return "", "", fmt.Errorf("REDIS_PASSWORD_FILE: %w", err)
		}
		return user, password, nil
	}
	return true
}

// sentinelPassword reads REDIS_SENTINEL_PASSWORD_FILE. go-redis takes one password for all
// connections to Sentinels, so it is read once.
func (c RedisConfig) sentinelPassword(found *checks) string {
	if c.SentinelPasswordFile == "" {
		return ""
	}
	password, err := readPassword(c.SentinelPasswordFile)
	if err != nil {
		found.failed("REDIS_SENTINEL_PASSWORD_FILE", "%v", err)
	}
	found.secretFile("REDIS_SENTINEL_PASSWORD_FILE", c.SentinelPasswordFile)
	return password
}

// setSentinel sets user and password of the Sentinels. They may be in the URL instead.
func (r Redis) setSentinel(found *checks, user, password string) {
	for _, s := range []struct{ variable, parameter, value string }{
		{"REDIS_SENTINEL_USERNAME", "sentinel_username", user},
		{"REDIS_SENTINEL_PASSWORD_FILE", "sentinel_password", password},
	} {
		switch {
		case s.value == "":
		case r.sentinel == nil:
			found.failed(s.variable, "set, but REDIS_URL names no Sentinels (redis-sentinel://)")
		default:
			field := &r.sentinel.SentinelUsername
			if s.parameter == "sentinel_password" {
				field = &r.sentinel.SentinelPassword
			}
			if *field != "" {
				found.failed(s.variable, "set, but REDIS_URL has %s too: set only one of them", s.parameter)
			}
			*field = s.value
		}
	}
}

// options are the options that all three kinds of client have.
type options struct {
	username, password *string
	credentials        *func(context.Context) (string, string, error)
	dialer             *func(ctx context.Context, network, addr string) (net.Conn, error)
	dialTimeout        time.Duration
	tls                *tls.Config // nil: no TLS
}

func (r Redis) options() options {
	switch {
	case r.sentinel != nil:
		o := r.sentinel
		return options{&o.Username, &o.Password, &o.CredentialsProviderContext, &o.Dialer, o.DialTimeout, o.TLSConfig}
	case r.cluster != nil:
		o := r.cluster
		return options{&o.Username, &o.Password, &o.CredentialsProviderContext, &o.Dialer, o.DialTimeout, o.TLSConfig}
	default:
		o := r.single
		return options{&o.Username, &o.Password, &o.CredentialsProviderContext, &o.Dialer, o.DialTimeout, o.TLSConfig}
	}
}

func (c RedisConfig) keys(found *checks) tasks.Keys {
	if !keyPrefix.MatchString(c.KeyPrefix) {
		found.failed("WORKER_KEY_PREFIX", "must be a name of a-z, 0-9, _ and - in braces, such as {qfpay}, not %s", quoted(c.KeyPrefix))
	}
	return tasks.Keys{Prefix: c.KeyPrefix}
}

// DurabilityConfig says when a write to Redis counts as done. Every command that accepts
// orders or works on them has it.
type DurabilityConfig struct {
	Durability string `name:"worker-durability" group:"Redis" default:"standard" help:"When a write counts as done. standard: when Redis has written it. strict: when a replica has confirmed it too (WAIT), so that a failover does not lose it."`
}

func (c DurabilityConfig) resolve(found *checks) tasks.Durability {
	return tasks.Durability(found.choice("WORKER_DURABILITY", c.Durability, string(tasks.Standard), string(tasks.Strict)))
}

// check runs [redischeck.Check] with a client of its own: a connection on which a transaction could
// not be discarded must not be used again.
func (r Redis) check(ctx context.Context, keys tasks.Keys, role redischeck.Role, d tasks.Durability) (warnings []string, err error) {
	rdb := r.Connect("qfpay-worker:check", 0)
	defer rdb.Close()
	warnings, err = redischeck.Check(ctx, rdb, keys, role, d)
	if _, url := errors.AsType[redischeck.ConfigError](err); url {
		err = inputError{err}
	}
	return warnings, err
}

// ready checks, before a command begins, that Redis answers, and that it is fit for the role.
// Warnings go to w.
func (r Redis) ready(ctx context.Context, w io.Writer, rdb redis.UniversalClient, keys tasks.Keys, role redischeck.Role) error {
	if warning := r.unverified(); warning != "" {
		fmt.Fprintln(w, "qfpay-worker:", warning)
	}
	if err := ping(ctx, rdb); err != nil {
		return r.explain(ctx, err)
	}
	_, err := r.check(ctx, keys, role, tasks.Standard)
	return err
}

// unverified warns when the URL says that the server's certificate is not to be checked.
func (r Redis) unverified() string {
	if o := r.options(); o.tls == nil || !o.tls.InsecureSkipVerify {
		return ""
	}
	return "REDIS_URL has skip_verify=true: the certificate of Redis is NOT checked, so anybody on the way can read the password, " +
		"the orders and the results, and change them. Use REDIS_TLS_CA_FILE instead"
}

// RedisConfig configures the Redis server and the prefix of our keys. Every command that
// uses Redis has it.
type RedisConfig struct {
	URL                  string `name:"redis-url" group:"Redis" default:"redis://127.0.0.1:6379/0" help:"redis://, rediss://, unix://, redis-sentinel://h1:26379,h2:26379/0?master=NAME or redis-cluster://h1:7000,h2:7001. May contain user and password."`
	PasswordFile         string `name:"redis-password-file" group:"Redis" help:"File with the password, instead of a password in the URL. Read again for each connection."`
	SentinelUsername     string `name:"redis-sentinel-username" group:"Redis" help:"User of the Sentinels, if they have another login than the servers: that of the URL is not sent to them."`
	SentinelPasswordFile string `name:"redis-sentinel-password-file" group:"Redis" help:"File with the password of the Sentinels."`
	TLSCAFile            string `name:"redis-tls-ca-file" group:"Redis" help:"File with the certificates of the authorities to trust, PEM, instead of the system's. Needs a URL with TLS. Read again for each connection, as the next two."`
	TLSCertFile          string `name:"redis-tls-cert-file" group:"Redis" help:"File with the client certificate and its chain, PEM, where the server demands one."`
	TLSKeyFile           string `name:"redis-tls-key-file" group:"Redis" help:"File with the key of the client certificate, PEM."`
	KeyPrefix            string `name:"worker-key-prefix" group:"Redis" default:"{qfpay}" help:"Prefix of every key, in braces: one prefix is one shard."`
}

// ping checks that Redis answers, before the command reads its input.
func ping(ctx context.Context, rdb redis.UniversalClient) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return rdb.Ping(ctx).Err()
}

// pingTimeout is how long a command waits for Redis before it gives up. It is enough for a
// few attempts to connect.
const pingTimeout = 5 * time.Second
