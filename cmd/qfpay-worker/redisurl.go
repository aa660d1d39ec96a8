package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"
)

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

// namesOption matches the part of an error of go-redis that names what is wrong. The rest quotes
// values, or the whole URL.
var namesOption = regexp.MustCompile(`^redis: (invalid (?:[a-z_]{1,24} )?(?:number|duration|boolean)|unexpected option: [a-z_]{1,24}|empty unix socket path)\b`)

// readable converts an error of go-redis.
func readable(err error) error {
	if what := namesOption.FindStringSubmatch(err.Error()); what != nil {
		return errors.New(what[1])
	}
	return errRedisURL
}
