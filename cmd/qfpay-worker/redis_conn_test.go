package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// connect returns a client as a command makes it from settings.
func connect(t *testing.T, c RedisConfig) redis.UniversalClient {
	t.Helper()
	c.KeyPrefix = "{qfpay}"
	r, _, err := c.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	rdb := r.Connect("test", 0)
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// pinged returns the error of one PING on a new connection: all others are closed before.
func pinged(t *testing.T, rdb redis.UniversalClient, servers ...*redistest.Server) error {
	t.Helper()
	for _, s := range servers {
		s.Do(t, "client", "kill", "skipme", "yes", "type", "normal")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return rdb.Ping(ctx).Err()
}

// oneNode makes a cluster of one server.
func oneNode(t *testing.T, s *redistest.Server) *redistest.Server {
	t.Helper()
	s.Do(t, "cluster", "addslotsrange", 0, 16383)
	for !strings.Contains(s.Do(t, "cluster", "info"), "cluster_state:ok") {
		time.Sleep(10 * time.Millisecond) // polling another process
	}
	return s
}

func overwrite(t *testing.T, path, with string) {
	t.Helper()
	redistest.OK(t, os.WriteFile(path, []byte(with), 0o600))
}

func textOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	redistest.OK(t, err)
	return string(text)
}

func TestRedisTLS_ClientCertificatesOfAPrivateAuthority(t *testing.T) {
	t.Parallel()
	authority := redistest.NewAuthority(t)
	cert, key := authority.Sign(t)
	server := redistest.StartTLS(t, authority)
	sentinel := redistest.StartSentinel(t, server.Addr, authority)
	cluster := oneNode(t, redistest.StartTLS(t, authority, redistest.ClusterNode(t)...))
	for kind, url := range map[string]string{
		"one server": server.URL,
		"Sentinel":   "redis-sentinel://" + sentinel + "/0?tls=true&master=" + redistest.MasterName,
		"Cluster":    "redis-cluster://" + cluster.Addr + "?tls=true",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ca, pair := "REDIS_TLS_CA_FILE="+authority.File, []string{"REDIS_TLS_CERT_FILE=" + cert, "REDIS_TLS_KEY_FILE=" + key}
			if got := command(t, append(pair, "REDIS_URL="+url, ca), "results"); got.code != exitDone {
				t.Errorf("with both: %+v", got)
			}
			if kind != "one server" {
				return
			}
			if got := command(t, append(pair, "REDIS_URL="+url), "results"); got.code != exitInput || !strings.Contains(got.err, "Set REDIS_TLS_CA_FILE") {
				t.Errorf("without the authority: %+v", got)
			}
			if got := command(t, []string{"REDIS_URL=" + url, ca}, "results"); got.code != exitInput || !strings.Contains(got.err, "set REDIS_TLS_CERT_FILE") {
				t.Errorf("without a client certificate: %+v", got)
			}
		})
	}
}

func TestRedisTLS_FilesAreReadAgainForTheNextConnection(t *testing.T) {
	t.Parallel()
	before, after := redistest.NewAuthority(t), redistest.NewAuthority(t)
	server := redistest.StartTLS(t, before)
	cert, key := before.Sign(t)
	ca := file(t, "ca.pem", textOf(t, before.File))
	rdb := connect(t, RedisConfig{URL: server.URL, TLSCAFile: ca, TLSCertFile: cert, TLSKeyFile: key})
	redistest.OK(t, pinged(t, rdb))

	serverCert, serverKey := after.Sign(t)
	server.Do(t, "config", "set", "tls-cert-file", serverCert, "tls-key-file", serverKey, "tls-ca-cert-file", after.File)
	if err := pinged(t, rdb, server); err == nil {
		t.Error("a server of another authority was trusted")
	}
	newCert, newKey := after.Sign(t)
	overwrite(t, ca, textOf(t, after.File))
	overwrite(t, cert, textOf(t, newCert))
	overwrite(t, key, textOf(t, newKey))
	if err := pinged(t, rdb, server); err != nil {
		t.Errorf("after the files have changed: %v", err)
	}
}

func TestRedisTLS_AnUncheckedCertificateIsWarnedOf(t *testing.T) {
	t.Parallel()
	authority := redistest.NewAuthority(t)
	cert, key := authority.Sign(t)
	server := redistest.StartTLS(t, authority)
	env := oneMerchant("REDIS_URL="+server.URL+"?skip_verify=true", "REDIS_TLS_CERT_FILE="+cert, "REDIS_TLS_KEY_FILE="+key,
		"WORKER_HTTP_ADDR=127.0.0.1:0", "WORKER_DURABILITY=strict") // so that run ends: there is no replica
	for _, args := range [][]string{{"run"}, {"results"}, {"enqueue", file(t, "o.csv", oneOrder)}, {"order", "show", "A1"}, {"audit"}} {
		if got := command(t, env, args...); strings.Count(got.err, "the certificate of Redis is NOT checked") != 1 {
			t.Errorf("%v: %s", args, got.err)
		}
	}
}

func TestRedisPassword_OfAFileMayBeAnyAndMayChange(t *testing.T) {
	t.Parallel()
	server := redistest.StartTCP(t)
	cluster := oneNode(t, redistest.StartTCP(t, redistest.ClusterNode(t)...))
	sentinel := redistest.StartSentinel(t, server.Addr, nil)
	for kind, c := range map[string]struct {
		url string
		*redistest.Server
	}{
		"one server": {"redis://one@" + server.Addr, server},
		"Sentinel":   {"redis-sentinel://two@" + sentinel + "?master=" + redistest.MasterName, server},
		"Cluster":    {"redis-cluster://three@" + cluster.Addr, cluster},
	} {
		t.Run(kind, func(t *testing.T) {
			user := map[string]string{"one server": "one", "Sentinel": "two", "Cluster": "three"}[kind]
			password := " pass phrase\t#密碼\n"
			c.Do(t, "acl", "setuser", user, "on", ">"+password, "~*", "&*", "+@all")
			path := file(t, "password", password+"\n")
			rdb := connect(t, RedisConfig{URL: c.url, PasswordFile: path})
			redistest.OK(t, pinged(t, rdb))

			c.Do(t, "acl", "setuser", user, "resetpass", ">second")
			if err := pinged(t, rdb, c.Server); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
				t.Errorf("with the old password: %v", err)
			}
			overwrite(t, path, "second\r\n")
			if err := pinged(t, rdb); err != nil {
				t.Errorf("after the file has changed: %v", err)
			}
			redistest.OK(t, os.Remove(path))
			if err := pinged(t, rdb, c.Server); err == nil || !strings.Contains(err.Error(), "REDIS_PASSWORD_FILE: "+path+" cannot be read") {
				t.Errorf("without the file: %v", err)
			}
		})
	}
}

// A worker goes on when its password changes under it.
func TestRedisPassword_RequirepassChangesUnderAClient(t *testing.T) {
	t.Parallel()
	server := redistest.StartTCP(t)
	path := file(t, "password", "first")
	server.Do(t, "config", "set", "requirepass", "first")
	rdb := connect(t, RedisConfig{URL: server.URL, PasswordFile: path})
	redistest.OK(t, pinged(t, rdb))
	redistest.OK(t, rdb.ConfigSet(t.Context(), "requirepass", "second").Err())
	overwrite(t, path, "second")
	rdb.ClientKillByFilter(t.Context(), "type", "normal", "skipme", "no") // its own connection too, so that it has no answer
	if err := pinged(t, rdb); err != nil {
		t.Error(err)
	}
}

func TestSentinel_HasALoginOfItsOwn(t *testing.T) {
	t.Parallel()
	server := redistest.StartTCP(t)
	sentinel := redistest.StartSentinel(t, server.Addr, nil, `user watcher on "`+`>pass phrase`+`" +@all &*`, "user default off")
	url := "redis-sentinel://" + sentinel + "/0?master="
	password := file(t, "password", "pass phrase\n")
	env := []string{"REDIS_URL=" + url + redistest.MasterName, "REDIS_SENTINEL_USERNAME=watcher", "REDIS_SENTINEL_PASSWORD_FILE=" + password}
	if got := command(t, env, "results"); got.code != exitDone {
		t.Errorf("with the login: %+v", got)
	}
	if got := command(t, env[:1], "results"); got.code == exitDone {
		t.Error("without it")
	}
	env[0] = "REDIS_URL=" + url + "order"
	got := command(t, env, "results")
	if got.code != exitInput || !strings.Contains(got.err, "watches no master of the name order. It watches: orders. Set master=") {
		t.Errorf("a wrong master: %+v", got)
	}
}

// A proxy that cuts idle connections cuts every read that waits for orders. That is no error, and
// nothing waits for it; a Redis that is away is one.
func TestRun_IsQuietBehindAProxyThatCutsIdleConnections(t *testing.T) {
	t.Parallel()
	server := redistest.StartTCP(t)
	proxy := redistest.StartProxy(t, "tcp", server.Addr)
	proxy.CutIdle(700 * time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log lockedBuffer
	ended := make(chan int, 1)
	env := oneMerchant("REDIS_URL=redis://"+proxy.Addr, "WORKER_HTTP_ADDR=127.0.0.1:0", "LOG_FORMAT=json")
	go func() {
		ended <- run(ctx, []string{"run"}, env, stdio{in: strings.NewReader(""), out: io.Discard, err: &log})
	}()
	eventually(t, "idle connections are cut", func() bool { return proxy.IdleCuts() >= 12 })
	_, afterwards, _ := strings.Cut(log.String(), `"msg":"taking orders"`)
	if strings.Contains(afterwards, `"level":"ERROR"`) || strings.Contains(afterwards, `"level":"WARN"`) {
		t.Errorf("it is not quiet:\n%s", afterwards)
	}
	rdb := server.Client(t)
	id, err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: "{qfpay}:requests", Values: []any{"order", "none"}}).Result()
	redistest.OK(t, err)
	eventually(t, "a request is taken in", func() bool {
		refused, err := rdb.XRange(t.Context(), "{qfpay}:requests:rejected", "-", "+").Result()
		return err == nil && len(refused) == 1 && refused[0].Values["id"] == id
	})
	proxy.Cut()
	eventually(t, "an outage is an error", func() bool {
		// Of the intake too: the answer that the request is taken in may still be under way.
		said := log.String()
		intake := strings.Contains(said, `"msg":"requests could not be read; trying again"`) || strings.Contains(said, `"msg":"requests could not be accepted; trying again"`)
		return intake && strings.Contains(said, "Dequeue error")
	})
	proxy.Mend()
	stop()
	<-ended
	eventually(t, "asynq has ended", func() bool { return server.Do(t, "zcard", "asynq:servers") == "0" })
}
