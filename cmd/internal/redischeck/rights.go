package redischeck

import (
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Role is what a program does with Redis, which decides what it must be allowed to do.
type Role string

// The roles. Reader is Consumer without a group, and Inspector is Operator without order retry and cancel:
// they change nothing, so a replica will do; likewise PaymentReader. Awaiter is Producer and reads the results of its orders.
const (
	Worker    Role = "worker"   // qfpay-worker run, the HTTP API included, and qfpay-worker migrate
	Producer  Role = "producer" // qfpay-worker enqueue, and package tasks
	Awaiter   Role = "awaiter"  // qfpay-worker enqueue --wait
	Consumer  Role = "consumer" // qfpay-worker results, and package tasks
	Reader    Role = "reader"
	Operator  Role = "operator" // qfpay-worker order, merchant and audit
	Inspector Role = "inspector"

	PaymentConsumer Role = "payment-consumer" // qfpay-worker payments, and package tasks
	PaymentReader   Role = "payment-reader"
)

// Roles returns the roles that have a user of their own.
func Roles() []Role { return []Role{Worker, Producer, Consumer, Operator} }

// Rights are what a role must be allowed to do, and no more.
type Rights struct {
	Keys     []string // patterns
	Spare    []string // patterns that a user of the role gets too, for other programs of its kind
	Channels []string
	Commands []string // as in ACL SETUSER: lower case, a subcommand behind a |
}

// connecting are the commands of every connection. INFO may be refused: then the check at the
// start sees less, as without MULTI and DISCARD, with which it tries commands. SELECT is for a
// database other than 0; CLUSTER and COMMAND are for a Cluster.
var connecting = []string{"ping", "info", "client|setname", "select", "multi", "discard", "cluster|slots", "command"}

// The commands of each part, called by a client or by a script of ours or of asynq (v0.26.0,
// internal/rdb). TestRights_CoverEveryCommandOfOurScripts compares them with our scripts.
var (
	scripting  = []string{"eval", "evalsha"}
	accepting  = []string{"exists", "hget", "hincrby", "hmget", "hset", "lpush", "persist", "sadd", "time", "wait", "xlen", "zadd", "zcard"}
	reading    = []string{"xrange", "xread", "xrevrange"}
	consuming  = []string{"xack", "xautoclaim", "xgroup|create", "xreadgroup"}
	foreseeing = []string{"hgetall", "zrange", "zscan"}
	inspecting = []string{"exists", "hget", "hgetall", "hmget", "scan", "time", "xlen", "xrange", "zcard", "zrange", "zscan", "zscore"}
	reopening  = []string{"hdel", "hincrby", "hset", "hsetnx", "lpush", "persist", "sadd", "wait", "zadd"}
	cancelling = []string{"pexpire", "xadd", "zrem"}
	working    = []string{
		// ours
		"config|get", "script|load", "exec", "expire", "hdel", "lindex", "llen", "pexpire", "subscribe",
		"type", "xadd", "xautoclaim", "xdel", "xgroup|create", "xgroup|delconsumer", "xinfo|consumers", "xinfo|groups",
		"scan", "hvals", "xpending", "xrange", "xreadgroup", "xack", "xtrim", "zcount", "zincrby", "zrange", "zremrangebyscore", "zrem", "zscore", "set",
		// asynq's
		"blmove", "del", "expireat", "get", "incr", "lrem", "rpoplpush", "rpush", "setex", "sismember", "unsubscribe",
		"zrangebyscore", "zremrangebyrank",
	}
)

// RightsOf returns the rights of a role in one shard.
func RightsOf(role Role, keys tasks.Keys) Rights {
	own := []string{keys.Prefix + ":*"}
	queues := []string{"asynq:queues"}
	for _, lane := range tasks.Lanes() {
		queues = append(queues, "asynq:{"+keys.Queue(lane)+"}:*")
	}
	switch role {
	case Worker:
		return Rights{
			Keys:     slices.Concat(own, queues, []string{"asynq:servers*", "asynq:workers*"}),
			Channels: []string{"asynq:cancel"},
			Commands: commands(scripting, accepting, foreseeing, working),
		}
	case Producer:
		return Rights{Keys: slices.Concat(own, queues), Commands: commands(scripting, accepting, foreseeing, []string{"xadd"})}
	case Operator:
		return Rights{Keys: slices.Concat(own, queues), Commands: commands(scripting, inspecting, reopening, cancelling)}
	case Inspector:
		return Rights{Keys: own, Commands: commands(scripting, inspecting)}
	case Awaiter:
		r := RightsOf(Producer, keys)
		r.Commands = commands(r.Commands, []string{"xrange"})
		return r
	case Consumer:
		return Rights{Keys: []string{keys.Results()}, Spare: []string{keys.Payments()}, Commands: commands(reading, consuming)}
	case PaymentConsumer:
		return Rights{Keys: []string{keys.Payments()}, Commands: commands(reading, consuming)}
	case PaymentReader:
		return Rights{Keys: []string{keys.Payments()}, Commands: commands(reading)}
	}
	return Rights{Keys: []string{keys.Results()}, Commands: commands(reading)}
}

func commands(lists ...[]string) []string {
	all := slices.Concat(append(lists, connecting)...)
	slices.Sort(all)
	return slices.Compact(all)
}

// SetUser returns the command that gives a user these rights and no others. It leaves the password,
// and whether the user is on.
func (r Rights) SetUser(user string) string {
	words := []string{"ACL SETUSER", user, "resetkeys", "resetchannels", "-@all"}
	for _, k := range slices.Concat(r.Keys, r.Spare) {
		words = append(words, "~"+k)
	}
	for _, c := range r.Channels {
		words = append(words, "&"+c)
	}
	for _, c := range r.Commands {
		words = append(words, "+"+c)
	}
	return strings.Join(words, " ")
}
