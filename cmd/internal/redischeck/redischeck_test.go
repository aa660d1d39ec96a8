package redischeck

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would report the connections that the tests close
	goleak.VerifyTestMain(m, redistest.Dialing)
}

var keys = tasks.Keys{Prefix: "{qfpay}"}

// goodServer returns the report of a server without problems.
func goodServer() server {
	return server{saveKnown: true, durability: tasks.Strict, info: map[string]string{
		"redis_version": "7.0.15", "role": "master", "connected_slaves": "1",
		"maxmemory": "0", "maxmemory_policy": "noeviction", "aof_enabled": "1",
	}}
}

func TestRedisCheck_SaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*server)
		fatal  bool
		says   string // empty: no problem
	}{
		{"no problem", func(*server) {}, false, ""},
		{"the oldest", func(s *server) { s.info["redis_version"] = "6.2.0" }, false, ""},
		{"a later major", func(s *server) { s.info["redis_version"] = "10.0.1" }, false, ""},
		{"too old", func(s *server) { s.info["redis_version"] = "6.0.16" }, true, "6.2 or later is needed"},
		{"far too old", func(s *server) { s.info["redis_version"] = "5.9.0" }, true, "6.2 or later is needed"},
		{"no version", func(s *server) { delete(s.info, "redis_version") }, false, "does not report its version"},
		{"a replica", func(s *server) { s.info["role"], s.info["master_host"], s.info["master_port"] = "slave", "db1", "6379" },
			true, "primary, db1:6379"},
		{"a node of a cluster, asked by itself", func(s *server) { s.info["cluster_enabled"], s.oneNode = "1", true }, true, "use redis-cluster://"},
		{"a node of a cluster", func(s *server) { s.info["cluster_enabled"] = "1" }, false, ""},
		{"no role", func(s *server) { delete(s.info, "role") }, false, "does not report whether it is a primary"},
		{"evicts", func(s *server) { s.info["maxmemory"], s.info["maxmemory_policy"] = "1048576", "allkeys-lru" },
			true, "CONFIG SET maxmemory-policy noeviction"},
		{"evicts keys that expire, such as journals of settled orders", func(s *server) {
			s.info["maxmemory"], s.info["maxmemory_policy"] = "1048576", "volatile-lru"
		}, true, "noeviction"},
		{"bounded memory without eviction", func(s *server) { s.info["maxmemory"] = "1048576" }, false, ""},
		{"would evict", func(s *server) { s.info["maxmemory_policy"] = "allkeys-lru" }, false, "before somebody sets maxmemory"},
		{"no policy", func(s *server) { delete(s.info, "maxmemory_policy") }, false, "does not report its maxmemory-policy"},
		{"no maxmemory", func(s *server) { delete(s.info, "maxmemory"); s.info["maxmemory_policy"] = "allkeys-lru" },
			false, "does not report its maxmemory-policy"},
		{"nothing on disk", func(s *server) { s.info["aof_enabled"] = "0" }, false, "keeps NOTHING on disk"},
		{"snapshots alone", func(s *server) { s.info["aof_enabled"], s.save = "0", "3600 1" }, false, `snapshots (save "3600 1")`},
		{"no AOF, and CONFIG is forbidden", func(s *server) { s.info["aof_enabled"], s.saveKnown = "0", false }, false, "does not report its snapshots"},
		{"AOF not reported", func(s *server) { delete(s.info, "aof_enabled") }, false, "does not report whether it has an append-only file"},
		{"strict without a replica", func(s *server) { s.info["connected_slaves"] = "0" }, true, "WORKER_DURABILITY=standard"},
		{"strict, replicas not reported", func(s *server) { delete(s.info, "connected_slaves") }, false, "how many replicas"},
		{"standard without a replica", func(s *server) { s.info["connected_slaves"], s.durability = "0", tasks.Standard }, false, ""},
	} {
		s := goodServer()
		c.change(&s)
		found := s.problems(Worker)
		switch {
		case c.says == "" && len(found) == 0:
		case c.says != "" && len(found) == 1 && found[0].fatal == c.fatal && strings.Contains(found[0].text, c.says):
		default:
			t.Errorf("%s: %+v, want fatal=%t and %q", c.name, found, c.fatal, c.says)
		}
	}
}

func FuzzInfo(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory:0\r\n")
	f.Add("redis_version:-1.-1\nmaxmemory:9999999999999999999999\nmaxmemory_policy:x\naof_enabled:\n")
	f.Add(":\n#:\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range (server{info: redisserver.ParseInfo(text), durability: tasks.Strict}).problems(Worker) {
			if p.text == "" {
				t.Error("a problem without a text")
			}
		}
	})
}

// Real servers are checked here, with one line for each problem.
func TestRedisCheck_JudgesRealServers(t *testing.T) {
	t.Parallel()
	check := func(rdb redis.UniversalClient, d tasks.Durability) (string, string) {
		t.Helper()
		warnings, err := Check(t.Context(), rdb, keys, Worker, d)
		if err == nil {
			return strings.Join(warnings, "\n"), ""
		}
		return strings.Join(warnings, "\n"), err.Error()
	}
	want := func(name, warnings, failed string, parts ...string) {
		t.Helper()
		for n, got := range []string{warnings, failed} {
			if (parts[n] == "") != (got == "") || !strings.Contains(got, parts[n]) {
				t.Errorf("%s: warnings %q, error %q, want %q", name, warnings, failed, parts)
				return
			}
		}
	}
	primary := redistest.StartTCP(t, "--appendonly", "yes")
	w, r := check(primary.Client(t), tasks.Standard)
	want("with an AOF", w, r, "", "")
	w, r = check(primary.Client(t), tasks.Strict)
	want("strict, alone", w, r, "", "connected_slaves is 0")
	replica := redistest.StartReplica(t, primary.Addr)
	w, r = check(primary.Client(t), tasks.Strict)
	want("strict, with a replica", w, r, "", "")
	w, r = check(replica.Client(t), tasks.Standard)
	want("the replica", w, r, "keeps NOTHING", primary.Addr)
	w, r = check(redistest.Start(t, "--save", "3600 1").Client(t), tasks.Standard)
	want("with snapshots", w, r, "3600 1", "")
	w, r = check(redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl").Client(t), tasks.Standard)
	want("evicting", w, r, "keeps NOTHING", "volatile-ttl with maxmemory 104857600")

	// Like a managed Redis: CONFIG is forbidden, or INFO.
	w, r = check(redistest.Start(t, "--rename-command", "CONFIG", "").Client(t), tasks.Standard)
	want("without CONFIG", w, r, "does not report its snapshots", "")
	w, r = check(redistest.Start(t, "--rename-command", "INFO", "").Client(t), tasks.Strict)
	want("without INFO", w, r, "could not be checked", "")

	// On a cluster, Check asks the node that holds the shard.
	cluster := redistest.StartCluster(t, 2)
	own := cluster.Node(t, "{qfpay}:due")
	own.Do(t, "config", "set", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
	w, r = check(cluster.Client(t), tasks.Standard)
	want("a cluster", w, r, "keeps NOTHING", "allkeys-lru")
}

func TestRedisCheck_SaysThatItWasInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, redistest.Start(t).Client(t), keys, Worker, tasks.Standard); err == nil {
		t.Error("no error")
	}
}
