package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
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
	found.secretFile("REDIS_PASSWORD_FILE", c.PasswordFile)
	switch {
	case pwErr != nil:
		found.failed("REDIS_PASSWORD_FILE", "%v", pwErr)
	case err == nil && !r.setPassword(password):
		found.failed("REDIS_PASSWORD_FILE", "set, but REDIS_URL has a password too: set only one of them")
	}
	return r
}

// setPassword sets the password of the servers. It returns false if the URL has one.
func (r Redis) setPassword(password qfpay.Secret) bool {
	var field *string
	switch {
	case r.sentinel != nil:
		field = &r.sentinel.Password
	case r.cluster != nil:
		field = &r.cluster.Password
	default:
		field = &r.single.Password
	}
	if *field != "" {
		return false
	}
	*field = string(password)
	return true
}

func (c RedisConfig) keys(found *checks) tasks.Keys {
	if !keyPrefix.MatchString(c.KeyPrefix) {
		found.failed("WORKER_KEY_PREFIX", "must be a name of a-z, 0-9, _ and - in braces, such as {qfpay}, not %s", quoted(c.KeyPrefix))
	}
	return tasks.Keys{Prefix: c.KeyPrefix}
}

// The errors of a REDIS_URL. They never show the value: in an invalid URL, the password may
// be anywhere.
var (
	errRedisURL = errors.New("is not a valid Redis URL; special characters in a password must be percent-encoded (@ is %40, / is %2F, # is %23)")
	errScheme   = errors.New("must begin with redis://, rediss://, unix://, redis-sentinel:// or redis-cluster://")
)

// parseRedisURL reads a REDIS_URL. go-redis accepts one host per URL and has no scheme for
// Sentinels and clusters, so URLs of these are rewritten for it. Its query parameters
// (dial_timeout, read_timeout, …) work with all of them. tls=true replaces rediss in
// redis-sentinel:// and redis-cluster://.
func parseRedisURL(text string) (Redis, error) {
	scheme, _, ok := strings.Cut(strings.TrimSpace(text), "://")
	if !ok {
		return Redis{}, errScheme
	}
	u, hosts, err := splitHosts(strings.TrimSpace(text))
	if err != nil {
		return Redis{}, err
	}
	switch scheme {
	case "redis", "rediss", "unix":
		if len(hosts) > 1 {
			return Redis{}, errors.New("names several hosts: use redis-sentinel:// or redis-cluster://")
		}
		return parseSingle(u)
	case "redis-sentinel":
		return parseSentinel(u, hosts)
	case "redis-cluster":
		return parseCluster(u, hosts)
	}
	return Redis{}, errScheme
}

// splitHosts splits the hosts from scheme://user:password@h1:1,h2:2/path?query, and returns
// the URL with the first of them. net/url accepts only one host.
func splitHosts(text string) (*url.URL, []string, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	at := strings.LastIndexByte(authority, '@') + 1
	hosts := strings.Split(authority[at:], ",")
	u, err := url.Parse(scheme + "://" + authority[:at] + hosts[0] + path)
	// An @ after the host shows that a / or ? in the password was taken for the path.
	if err != nil || u.Fragment != "" || strings.Contains(path, "@") {
		return nil, nil, errRedisURL
	}
	for _, h := range hosts[1:] {
		if _, _, err := net.SplitHostPort(h); err != nil {
			return nil, nil, errors.New("must name every host after the first as host:port")
		}
	}
	return u, hosts, nil
}

func parseSingle(u *url.URL) (Redis, error) {
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return Redis{}, readable(err)
	}
	setTimes(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	o.DialerRetries, o.ContextTimeoutEnabled = dialRetries, true
	address := fmt.Sprintf("%s://%s/%d", u.Scheme, o.Addr, o.DB)
	if u.Scheme == "unix" {
		address = "unix://" + o.Addr
	}
	return Redis{address: address, single: o}, nil
}

// parseSentinel reads redis-sentinel://h1,h2/0?master=NAME. User and password are those of
// the servers. Those of the Sentinels, if any, are sentinel_username and sentinel_password
// in the query.
func parseSentinel(u *url.URL, hosts []string) (Redis, error) {
	q := u.Query()
	master := q.Get("master")
	if master == "" {
		return Redis{}, errors.New("must name the master that the Sentinels watch: redis-sentinel://h1:26379,h2:26379/0?master=NAME")
	}
	user, password := q.Get("sentinel_username"), q.Get("sentinel_password")
	servers := u.User
	for _, name := range []string{"master", "sentinel_username", "sentinel_password"} {
		q.Del(name)
	}
	q.Set("master_name", master)
	o, err := redis.ParseFailoverURL(plain(u, hosts, q, "26379"))
	if err != nil {
		return Redis{}, readable(err)
	}
	o.SentinelUsername, o.SentinelPassword = user, password
	o.Username = servers.Username()
	o.Password, _ = servers.Password()
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // each node's own name
	}
	setTimes(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	o.DialerRetries, o.ContextTimeoutEnabled = dialRetries, true
	address := fmt.Sprintf("redis-sentinel://%s/%d?master=%s", strings.Join(hosts, ","), o.DB, master)
	return Redis{address: address, sentinel: o}, nil
}

func parseCluster(u *url.URL, hosts []string) (Redis, error) {
	if strings.Trim(u.Path, "/") != "" && strings.Trim(u.Path, "/") != "0" {
		return Redis{}, errors.New("names a database: a cluster has only database 0")
	}
	text := plain(u, hosts, u.Query(), "6379")
	o, err := redis.ParseClusterURL(text)
	if err != nil {
		return Redis{}, readable(err)
	}
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = ""
	}
	setTimes(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	o.DialerRetries, o.ContextTimeoutEnabled = dialRetries, true
	return Redis{address: "redis-cluster://" + strings.Join(hosts, ","), cluster: o}, nil
}

// plain returns u in the form that go-redis accepts: with scheme redis or rediss, and the
// other hosts as parameters.
func plain(u *url.URL, hosts []string, q url.Values, port string) string {
	p := *u
	p.Scheme = "redis"
	if q.Get("tls") == "true" {
		p.Scheme = "rediss"
	}
	q.Del("tls")
	for _, h := range hosts[1:] {
		q.Add("addr", h)
	}
	if p.Port() == "" {
		p.Host = net.JoinHostPort(p.Hostname(), port)
	}
	p.RawQuery = q.Encode()
	return p.String()
}

// setTimes sets the timeouts that the URL does not set.
func setTimes[D ~int64](dial, read, write *D) {
	if *dial == 0 {
		*dial = D(dialTimeout)
	}
	if *read == 0 {
		*read = D(replyTimeout)
	}
	if *write == 0 {
		*write = D(replyTimeout)
	}
}

// readable converts an error of go-redis. Its own errors name the option that is wrong.
// Errors of net/url quote the whole URL, so they are replaced.
func readable(err error) error {
	var wholeURL *url.Error
	if errors.As(err, &wholeURL) {
		return errRedisURL
	}
	return errors.New(strings.TrimPrefix(err.Error(), "redis: "))
}

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
