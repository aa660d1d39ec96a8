package main

import (
	"fmt"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
)

// ACLCmd prints the rights that users of Redis need.
type ACLCmd struct {
	KeyPrefix string `name:"worker-key-prefix" group:"Redis" default:"{qfpay}" help:"Prefix of every key, in braces: one prefix is one shard."`
}

// Help is shown below the flags.
func (ACLCmd) Help() string {
	return `Prints one ACL SETUSER command for each kind of user, with the least that works: the
worker (run), producers (enqueue, package tasks, XADD to the request stream), consumers
(results, package tasks), and operators (order,
merchant, audit). Give them to redis-cli, on every
server: a Cluster, a replica and a Sentinel's replica each have an ACL of their own. They
change the rights of a user and nothing else, so they may be repeated. Switch a new user
on with ACL SETUSER NAME on '>PASSWORD'.`
}

// Run implements the command.
func (c ACLCmd) Run(std stdio) error {
	var found checks
	keys := RedisConfig{KeyPrefix: c.KeyPrefix}.keys(&found)
	if err := found.err(); err != nil {
		return err
	}
	for _, role := range redischeck.Roles() {
		user := strings.Trim(keys.Prefix, "{}") + "-" + string(role)
		if _, err := fmt.Fprintln(std.out, redischeck.RightsOf(role, keys).SetUser(user)); err != nil {
			return err
		}
	}
	return nil
}
