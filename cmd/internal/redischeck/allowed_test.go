package redischeck

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// user makes a user with the rights of a role, and then with the rules of a test.
func user(t *testing.T, s *redistest.Server, name string, role Role, rules ...any) *redis.Client {
	t.Helper()
	var words []any
	for _, w := range strings.Fields(RightsOf(role, keys).SetUser(name)) {
		words = append(words, w)
	}
	s.Do(t, words...)
	s.Do(t, append([]any{"acl", "setuser", name, "on", ">secret"}, rules...)...)
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: s.Socket, Username: name, Password: "secret"})
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// A server that refuses a part of what a role needs is refused, with the key, command or channel.
func TestCheck_RefusesMissingRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	for i, c := range []struct {
		role  Role
		rules []any
		says  string // empty: nothing is missing
	}{
		{Worker, nil, ""},
		{Producer, nil, ""},
		{Awaiter, nil, ""},
		{Awaiter, []any{"-xrange"}, "may not use the commands xrange: give it the right (ACL SETUSER), +xrange"},
		{Consumer, nil, ""},
		{Reader, nil, ""},
		{Consumer, []any{"resetkeys", "~{qfpay}:results"}, ""},
		{PaymentConsumer, nil, ""},
		{PaymentReader, []any{"resetkeys", "~{qfpay}:results"}, "may not use the keys {qfpay}:payments"},
		{Operator, nil, ""},
		{Inspector, nil, ""},
		{Worker, []any{"resetkeys", "~{qfpay}:*"}, "may not use the keys asynq:queues, asynq:servers*, asynq:workers*, asynq:{qfpay:bulk}:*, asynq:{qfpay:interactive}:*: " +
			"give it the right (ACL SETUSER), ~asynq:queues ~asynq:servers*"},
		{Producer, []any{"resetkeys", "~{qfpay}:*"}, "may not use the keys asynq:queues, asynq:{qfpay:bulk}:*"},
		{Worker, []any{"resetkeys", "~asynq:*"}, "may not use the keys {qfpay}:*: "},
		{Worker, []any{"resetchannels"}, "may not use the channel asynq:cancel: give it the right (ACL SETUSER), &asynq:cancel"},
		{Worker, []any{"+@all", "-@scripting"}, "may not use the commands eval, evalsha, script|load: give it the right (ACL SETUSER), +eval +evalsha +script|load"},
		{Producer, []any{"+@all", "-@scripting"}, "may not use the commands eval"},
		{Worker, []any{"nocommands", "+@read", "+@connection", "+@scripting", "+info"}, "may not use the commands multi, subscribe, xack, zadd: "},
		{Worker, []any{"nocommands", "+@read", "+@connection", "+@scripting", "+@transaction", "+info"}, "+blmove +del +expire"},
		{Producer, []any{"nocommands", "+@read", "+@connection", "+@scripting", "+info"}, "may not use the commands zadd"},
		{Producer, []any{"-@transaction", "-wait"}, ""},
		{Worker, []any{"-subscribe"}, "may not use the commands subscribe"},
		{Worker, []any{"-xgroup|create"}, "may not use the commands xgroup|create"},
		{Operator, []any{"-persist"}, "may not use the commands persist"},
		{Consumer, []any{"resetkeys", "~other"}, "may not use the keys {qfpay}:results"},
		{Consumer, []any{"-@write"}, "may not use the commands xack"},
		{Reader, []any{"-@write"}, ""},
		{Inspector, []any{"-@write", "+eval", "+evalsha"}, ""},
		{Worker, []any{"-info"}, ""}, // a warning
	} {
		name := "access-key-" + string(c.role) + string(rune('a'+i)) // words of Redis's messages
		rdb := user(t, server, name, c.role, c.rules...)
		_, err := Check(t.Context(), rdb, keys, c.role, tasks.Standard)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s %v: %v, want %q", c.role, c.rules, err, c.says)
		}
	}
	if written := server.Do(t, "dbsize"); written != "0" {
		t.Errorf("the checks have written %s keys", written)
	}
}

// A user without INFO on a replica or a node of a cluster learns of it all the same.
func TestCheck_RefusesAReplicaAndANodeThatHideIt(t *testing.T) {
	t.Parallel()
	primary := redistest.StartTCP(t)
	replica := redistest.StartReplica(t, primary.Addr)
	cluster := redistest.StartCluster(t, 2)
	other := cluster.Nodes[0]
	if cluster.Node(t, keys.Due()) == other {
		other = cluster.Nodes[1]
	}
	for _, c := range []struct {
		server *redistest.Server
		rules  []any
		role   Role
		says   string
	}{
		{replica, []any{"-info"}, Worker, "is a read-only replica"},
		{replica, nil, Producer, "is a read-only replica (READONLY): set REDIS_URL to the primary, " + primary.Addr},
		{replica, nil, Consumer, "is a read-only replica"},
		{replica, nil, Reader, ""},
		{replica, nil, Inspector, ""},
		{other, []any{"-info"}, Worker, "use redis-cluster://"},
		{other, nil, Worker, "use redis-cluster://"},
		{other, nil, Reader, "use redis-cluster://"},
		{cluster.Node(t, keys.Due()), nil, Producer, "use redis-cluster://"},
	} {
		_, err := Check(t.Context(), user(t, c.server, string(c.role), c.role, c.rules...), keys, c.role, tasks.Standard)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s %v: %v, want %q", c.role, c.rules, err, c.says)
		}
	}
	if _, err := Check(t.Context(), cluster.Client(t), keys, Worker, tasks.Standard); err != nil {
		t.Errorf("the cluster: %v", err)
	}
}
