package worker

import (
	"fmt"
	"strconv"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// server is what a Redis says of itself.
type server struct {
	info       map[string]string
	save       string // its snapshots, as of CONFIG GET save
	saveKnown  bool   // false where CONFIG is forbidden
	durability tasks.Durability
}

// finding is one thing that is wrong with a server.
type finding struct {
	refuse bool
	text   string // what is wrong, what it leads to, and what to do
}

// check is the whole judgement: version, role, memory, persistence, replicas.
func (s server) check() []finding {
	var found []finding
	for _, look := range []func() finding{s.version, s.role, s.memory, s.persistence, s.replicas} {
		if f := look(); f.text != "" {
			found = append(found, f)
		}
	}
	return found
}

// oldest is the first Redis with all that is used here: XAUTOCLAIM, BLMOVE and ZRANGE
// with BYSCORE came with 6.2 (release notes of Redis 6.2, 2021-02).
var oldest = [2]int{6, 2}

func (s server) version() finding {
	text := s.info["redis_version"]
	var major, minor int
	if n, _ := fmt.Sscanf(text, "%d.%d", &major, &minor); n != 2 {
		return warn("Redis does not say which version it is; it must be 6.2 or later, or do what that does")
	}
	if major < oldest[0] || major == oldest[0] && minor < oldest[1] {
		return refuse("Redis is %s, and 6.2 or later is needed: install that", text)
	}
	return finding{}
}

func (s server) role() finding {
	switch role := s.info["role"]; role {
	case "master":
		return finding{}
	case "slave":
		return refuse("this Redis is a replica, on which nothing can be written (READONLY): "+
			"let REDIS_URL name the primary, %s:%s, or its Sentinels", s.info["master_host"], s.info["master_port"])
	default:
		return warn("Redis does not say whether it is a primary or a replica (role is %q); it must be a primary", role)
	}
}

// memory: a Redis that evicts takes journals away, and with them what is known of orders.
func (s server) memory() finding {
	policy, limit := s.info["maxmemory_policy"], s.info["maxmemory"]
	bytes, err := strconv.ParseInt(limit, 10, 64)
	switch {
	case policy == "noeviction":
		return finding{}
	case policy == "" || err != nil:
		return warn("Redis does not tell its maxmemory-policy; it must be noeviction, or orders vanish when memory is short")
	case bytes > 0:
		return refuse("maxmemory-policy of Redis is %s with maxmemory %s: when memory is short, orders and results vanish. "+
			"Set it to noeviction: CONFIG SET maxmemory-policy noeviction, and in redis.conf", policy, limit)
	}
	return warn("maxmemory-policy of Redis is %s; there is no maxmemory, so nothing vanishes yet. "+
		"Set it to noeviction before maxmemory is set", policy)
}

// persistence: what a restart of Redis loses.
func (s server) persistence() finding {
	const fix = "Turn the append-only file on: CONFIG SET appendonly yes, and in redis.conf"
	switch aof := s.info["aof_enabled"]; {
	case aof == "1":
		return finding{}
	case aof != "0":
		return warn("Redis does not tell whether it has an append-only file; without one a restart loses accepted orders")
	case !s.saveKnown:
		return warn("Redis has no append-only file, and does not tell its snapshots: a restart loses accepted orders "+
			"and results, unless its operator has provided otherwise. %s", fix)
	case s.save == "":
		return warn("Redis keeps NOTHING on disk: a restart loses EVERY order that waits, what is known of orders "+
			"that were sent to QFPay, and all results. %s", fix)
	}
	return warn("Redis has snapshots (save %q) and no append-only file: a crash loses every order that was accepted, and "+
		"what is known of those that were sent to QFPay, since the last one. %s", s.save, fix)
}

// replicas: strict without a replica would accept no order and make no call.
func (s server) replicas() finding {
	if s.durability != tasks.Strict {
		return finding{}
	}
	switch n, err := strconv.Atoi(s.info["connected_slaves"]); {
	case err != nil:
		return warn("Redis does not say how many replicas it has; WORKER_DURABILITY=strict needs one")
	case n == 0:
		return refuse("WORKER_DURABILITY is strict, and Redis has no replica (connected_slaves is 0), so that nothing could be " +
			"confirmed: connect a replica, or set WORKER_DURABILITY=standard")
	}
	return finding{}
}

func warn(format string, args ...any) finding {
	return finding{text: fmt.Sprintf(format, args...)}
}

func refuse(format string, args ...any) finding {
	return finding{refuse: true, text: fmt.Sprintf(format, args...)}
}
