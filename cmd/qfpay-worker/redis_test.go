package main

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// shape has the values that a URL sets on a connection.
type shape struct {
	Kind, Address, User, Password, Master string
	Nodes                                 []string
	DB                                    int
	TLS                                   bool
}

func shapeOf(r Redis) shape {
	s := shape{Address: r.address}
	switch {
	case r.sentinel != nil:
		o := r.sentinel
		s.Kind, s.User, s.Password, s.Master = "sentinel", o.Username, o.Password, o.MasterName
		s.Nodes, s.DB, s.TLS = o.SentinelAddrs, o.DB, o.TLSConfig != nil
	case r.cluster != nil:
		o := r.cluster
		s.Kind, s.User, s.Password, s.Nodes, s.TLS = "cluster", o.Username, o.Password, o.Addrs, o.TLSConfig != nil
	default:
		o := r.single
		s.Kind, s.User, s.Password, s.Nodes, s.DB, s.TLS = o.Network, o.Username, o.Password, []string{o.Addr}, o.DB, o.TLSConfig != nil
	}
	return s
}

func TestRedisURL_EveryFormIsRead(t *testing.T) {
	for _, tt := range []struct {
		url  string
		want shape
	}{
		{"redis://127.0.0.1:6379/0", shape{Kind: "tcp", Address: "redis://127.0.0.1:6379/0", Nodes: []string{"127.0.0.1:6379"}}},
		{"redis://h", shape{Kind: "tcp", Address: "redis://h:6379/0", Nodes: []string{"h:6379"}}},
		{"redis://u:p%40w@h:1/3", shape{Kind: "tcp", Address: "redis://h:1/3", User: "u", Password: "p@w", Nodes: []string{"h:1"}, DB: 3}},
		{"rediss://:pw@h:1", shape{Kind: "tcp", Address: "rediss://h:1/0", Password: "pw", Nodes: []string{"h:1"}, TLS: true}},
		{"unix:///run/redis.sock", shape{Kind: "unix", Address: "unix:///run/redis.sock", Nodes: []string{"/run/redis.sock"}}},
		{"unix://:pw@/run/redis.sock?db=2", shape{Kind: "unix", Address: "unix:///run/redis.sock", Password: "pw", Nodes: []string{"/run/redis.sock"}, DB: 2}},
		{"redis-sentinel://h1:26379,h2:26380/1?master=NAME", shape{Kind: "sentinel", Address: "redis-sentinel://h1:26379,h2:26380/1?master=NAME",
			Master: "NAME", Nodes: []string{"h1:26379", "h2:26380"}, DB: 1}},
		{"redis-sentinel://u:pw@h1?master=m&tls=true", shape{Kind: "sentinel", Address: "redis-sentinel://h1/0?master=m",
			User: "u", Password: "pw", Master: "m", Nodes: []string{"h1:26379"}, TLS: true}},
		{"redis-cluster://h1:7000,h2:7001", shape{Kind: "cluster", Address: "redis-cluster://h1:7000,h2:7001", Nodes: []string{"h1:7000", "h2:7001"}}},
		{"redis-cluster://u:pw@h1:7000/0?tls=true&read_timeout=2s", shape{Kind: "cluster", Address: "redis-cluster://h1:7000",
			User: "u", Password: "pw", Nodes: []string{"h1:7000"}, TLS: true}},
		{"redis://[::1]:6379/0", shape{Kind: "tcp", Address: "redis://[::1]:6379/0", Nodes: []string{"[::1]:6379"}}},
	} {
		r, err := parseRedisURL(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if d := cmp.Diff(tt.want, shapeOf(r)); d != "" {
			t.Errorf("%s: %s", tt.url, d)
		}
	}
}

func TestRedisURL_NeverShowsItsPasswordWhenItIsWrong(t *testing.T) {
	for _, tt := range []struct{ url, says string }{
		{"", "must begin with"},
		{"localhost:6379", "must begin with"},
		{"http://:" + canary + "@h", "must begin with"},
		{"redis://:a/" + canary + "@h:1/0", "percent-encoded"}, // the first / ends the host
		{"redis://:a#" + canary + "@h:1/0", "percent-encoded"},
		{"redis://:a?" + canary + "@h:1/0", "percent-encoded"},
		{"redis://u:1/" + canary + "@h/0", "percent-encoded"}, // reads as host u, port 1
		{"redis://u:1?" + canary + "@h/0", "percent-encoded"},
		{"redis://:%zz" + canary + "@h", "percent-encoded"},
		{"redis://:" + canary + "@h:port", "percent-encoded"},
		{"redis://:" + canary + "@h/x", "invalid database number"},
		{"redis://:" + canary + "@h/0?wait=1", "unexpected option: wait"},
		{"redis://h/0?dial_timeout=" + canary, "invalid dial_timeout duration"},
		{"redis://h/0?pool_size=" + canary, "invalid pool_size number"},
		{"redis://h/0?pool_fifo=" + canary, "invalid pool_fifo boolean"},
		{"redis://h/0?db=" + canary, "invalid"},
		{"redis://h/" + canary, "invalid database number"},
		{"redis://h/0/" + canary, "percent-encoded"},
		{"redis://h/0?" + canary, "percent-encoded"},
		{"redis-cluster://h?read_timeout=" + canary, "invalid read_timeout duration"},
		{"redis-sentinel://h/0?master=m&read_timeout=" + canary, "invalid read_timeout duration"},
		{"redis://:" + canary + "@h1:1,h2:2", "names several hosts"},
		{"unix://:" + canary + "@", "empty unix socket path"},
		{"redis-sentinel://:" + canary + "@h1:1,h2:2", "must name the master"},
		{"redis-sentinel://:" + canary + "@h1:1,h2/0?master=m", "must name every host after the first"},
		{"redis-cluster://:" + canary + "@h1:1/2", "names a database"},
		{"redis-cluster://:" + canary + "@h1:1?nope=1", "unexpected option: nope"},
	} {
		_, err := parseRedisURL(tt.url)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want …%s…", tt.url, err, tt.says)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the password is shown: %v", tt.url, err)
		}
	}
}

func TestRedisURL_PasswordFileIsForEveryKindOfRedis(t *testing.T) {
	pw := file(t, "pw", canary+"\n")
	for _, u := range []string{"redis://u@h", "redis-sentinel://u@h?master=m", "redis-cluster://u@h"} {
		r, _, err := RedisConfig{URL: u, PasswordFile: pw, KeyPrefix: "{q}"}.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		if user, password, err := (*r.options().credentials)(t.Context()); err != nil || password != canary || user != "u" {
			t.Errorf("%s: user %q, error %v, and the password is right: %t", u, user, err, password == canary)
		}
	}
	_, _, err := RedisConfig{URL: "redis://:other@h", PasswordFile: pw, KeyPrefix: "{q}"}.Resolve()
	if err == nil || !strings.Contains(err.Error(), "set only one of them") {
		t.Errorf("two passwords: %v", err)
	}
}

func TestRedisURL_ErrorsThatQuoteAllOfItAreNotPassedOn(t *testing.T) {
	//lint:ignore SA1007 the address is wrong on purpose
	_, err := url.Parse("redis://:" + canary + "@h:port")
	if got := readable(err); strings.Contains(got.Error(), canary) {
		t.Errorf("the password is shown: %v", got)
	}
}

// FuzzRedisURL puts a password into URLs, and looks for it in addresses and errors.
func FuzzRedisURL(f *testing.F) {
	f.Add("redis", "u", "h:1/0")
	f.Add("redis-sentinel", "", "h1:1,h2:2/0?master=m&sentinel_password=x")
	f.Add("redis-cluster", "", "h1:1,h2:2")
	f.Add("unix", "", "/s?db=1")
	f.Add("redis", "a/", "h:1/0")
	f.Add("redis", "u:1?", "h:1/0")
	f.Fuzz(func(t *testing.T, scheme, user, rest string) {
		if strings.Contains(scheme, "://") {
			return // then the text before the password is not the user
		}
		r, err := parseRedisURL(scheme + "://" + user + ":" + canary + "@" + rest)
		shown := r.address
		if err != nil {
			shown = err.Error()
		}
		if strings.Contains(shown, canary) && !strings.Contains(rest, canary) {
			t.Errorf("shown of scheme %q, user %q, rest %q: %s", scheme, user, rest, shown)
		}
	})
}

const oneOrder = "out_trade_no,pay_type,txamt,txcurrcd\nA1,800101,2500,HKD\n"

func TestRun_RefusesARedisThatIsNotFit(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // in case it runs
	defer cancel()
	got := commandWith(ctx, strings.NewReader(""), oneMerchant("REDIS_URL="+server.URL, "WORKER_DURABILITY=strict", "WORKER_HTTP_ADDR=127.0.0.1:0"), "run")
	if got.code != exitOutside || got.out != "" {
		t.Errorf("exit code %d, %q", got.code, got.out)
	}
	for _, said := range []string{"is not fit to keep orders:\n", "CONFIG SET maxmemory-policy noeviction", "connected_slaves is 0", "keeps NOTHING on disk"} {
		if !strings.Contains(got.err, said) {
			t.Errorf("%q is not in\n%s", said, got.err)
		}
	}
	if strings.Contains(got.err, canary) || strings.Contains(got.err, "taking orders") {
		t.Errorf("%s", got.err)
	}
}

func TestEnqueue_NeedsAReplicaUnderStrict(t *testing.T) {
	t.Parallel()
	primary := redistest.StartTCP(t)
	env := []string{"REDIS_URL=" + primary.URL, "WORKER_DURABILITY=strict"}
	orders := file(t, "orders.csv", oneOrder)
	got := command(t, env, "enqueue", orders)
	if got.code != exitOutside || !strings.Contains(got.err, "no replica of Redis has confirmed it within 1s") || !strings.Contains(got.err, "enqueue it again") ||
		got.out != "enqueued=0 duplicate=0 invalid=0\n" {
		t.Errorf("without a replica: %+v", got)
	}
	redistest.StartReplica(t, primary.Addr)
	if got := command(t, env, "enqueue", orders); got.code != exitDone || got.out != "enqueued=0 duplicate=1 invalid=0\n" {
		t.Errorf("again, with a replica: %+v", got)
	}
	if got := command(t, []string{"WORKER_DURABILITY=both"}, "enqueue", orders); got.code != exitInput || !strings.Contains(got.err, "WORKER_DURABILITY: must be standard or strict") {
		t.Errorf("%+v", got)
	}
}
