package redischeck

import (
	"fmt"
	"strconv"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// server is what a Redis server reports about itself.
type server struct {
	info       map[string]string
	save       string // its snapshots, from CONFIG GET save
	saveKnown  bool   // false if CONFIG is forbidden
	durability tasks.Durability
	oneNode    bool // the client speaks to this server alone, not to a cluster
}

// problem is one thing that is wrong with a server.
type problem struct {
	fatal bool   // the server must not be used
	url   bool   // because REDIS_URL is wrong
	text  string // what is wrong, its effect, and the remedy
}

// problems runs the checks that matter to a role. Only a worker is told what would be lost.
func (s server) problems(role Role) []problem {
	checks := []func() problem{s.cluster, s.version, s.role, s.memory, s.persistence, s.replicas}
	switch role {
	case Reader, PaymentReader, Inspector:
		checks = checks[:1]
	case Producer, Awaiter, Consumer, PaymentConsumer, Operator:
		checks = []func() problem{s.cluster, s.readOnly}
	}
	var found []problem
	for _, check := range checks {
		if p := check(); p.text != "" {
			found = append(found, p)
		}
	}
	return found
}

// oldest is the first version with every command that we use: XAUTOCLAIM, BLMOVE and
// ZRANGE with BYSCORE came with 6.2 (release notes of Redis 6.2, 2021-02).
var oldest = [2]int{6, 2}

func (s server) version() problem {
	text := s.info["redis_version"]
	var major, minor int
	if n, _ := fmt.Sscanf(text, "%d.%d", &major, &minor); n != 2 {
		return warn("Redis does not report its version; it must be 6.2 or later, or compatible with that")
	}
	if major < oldest[0] || major == oldest[0] && minor < oldest[1] {
		return fatal("Redis is version %s, but 6.2 or later is needed: upgrade it", text)
	}
	return problem{}
}

// oneNode is a node of a cluster whose other nodes the client does not know.
var oneNode = problem{fatal: true, url: true, text: "this Redis is one node of a cluster: use redis-cluster:// instead of redis:// " +
	"(instead of rediss://, with ?tls=true)"}

func (s server) cluster() problem {
	if s.oneNode && s.info["cluster_enabled"] == "1" {
		return oneNode
	}
	return problem{}
}

func (s server) role() problem {
	if p := s.readOnly(); p.fatal {
		return p
	}
	if role := s.info["role"]; role != "master" {
		return warn("Redis does not report whether it is a primary or a replica (role is %q); it must be a primary", role)
	}
	return problem{}
}

func (s server) readOnly() problem {
	if s.info["role"] != "slave" {
		return problem{}
	}
	return fatal("this Redis is a read-only replica (READONLY): set REDIS_URL to the primary, %s:%s, or to its Sentinels",
		s.info["master_host"], s.info["master_port"])
}

// memory: a server that evicts deletes journals, and with them the state of orders.
func (s server) memory() problem {
	policy, limit := s.info["maxmemory_policy"], s.info["maxmemory"]
	bytes, err := strconv.ParseInt(limit, 10, 64)
	switch {
	case policy == "noeviction":
		return problem{}
	case policy == "" || err != nil:
		return warn("Redis does not report its maxmemory-policy; it must be noeviction, or Redis deletes orders when memory is short")
	case bytes > 0:
		return fatal("maxmemory-policy of Redis is %s with maxmemory %s: Redis deletes orders and results when memory is short. "+
			"Set it to noeviction: CONFIG SET maxmemory-policy noeviction, and in redis.conf", policy, limit)
	}
	return warn("maxmemory-policy of Redis is %s; without maxmemory, Redis deletes nothing yet. "+
		"Set it to noeviction before somebody sets maxmemory", policy)
}

// persistence: what is lost when Redis restarts.
func (s server) persistence() problem {
	const fix = "Turn the append-only file on: CONFIG SET appendonly yes, and in redis.conf"
	switch aof := s.info["aof_enabled"]; {
	case aof == "1":
		return problem{}
	case aof != "0":
		return warn("Redis does not report whether it has an append-only file; without one a restart loses accepted orders")
	case !s.saveKnown:
		return warn("Redis has no append-only file, and does not report its snapshots: a restart loses accepted orders "+
			"and results, unless its operator has provided otherwise. %s", fix)
	case s.save == "":
		return warn("Redis keeps NOTHING on disk: a restart loses EVERY waiting order, the state of every order "+
			"that was sent to QFPay, and all results. %s", fix)
	}
	return warn("Redis has snapshots (save %q) and no append-only file: a crash loses every order that was accepted since "+
		"the last snapshot, and the state of those that were sent to QFPay since then. %s", s.save, fix)
}

// replicas: without a replica, strict durability accepts no order and makes no call.
func (s server) replicas() problem {
	if s.durability != tasks.Strict {
		return problem{}
	}
	switch n, err := strconv.Atoi(s.info["connected_slaves"]); {
	case err != nil:
		return warn("Redis does not report how many replicas it has; WORKER_DURABILITY=strict needs one")
	case n == 0:
		return fatal("WORKER_DURABILITY is strict, but Redis has no replica (connected_slaves is 0) that could confirm a write: " +
			"connect a replica, or set WORKER_DURABILITY=standard")
	}
	return problem{}
}

func warn(format string, args ...any) problem {
	return problem{text: fmt.Sprintf(format, args...)}
}

func fatal(format string, args ...any) problem {
	return problem{fatal: true, text: fmt.Sprintf(format, args...)}
}
