package redischeck

import "strings"

// forms has, for each command that is tried, words that Redis takes into a transaction. K is a
// key. The transaction is discarded, so none of them is carried out.
var forms = wordsOf(`
blmove K K right right 0.01
del K
eval return 1 K
evalsha e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 K
exists K
expire K 1
expireat K 1
get K
hdel K f
hget K f
hgetall K
hincrby K f 1
hmget K f
hset K f v
hsetnx K f v
hvals K
incr K
lindex K 0
llen K
lpush K v
lrem K 0 v
persist K
pexpire K 1
rpoplpush K K
rpush K v
sadd K v
scan 0
script load return
set K v
setex K 1 v
sismember K v
time
type K
wait 0 1
xack K g 0-0
xadd K * f v
xautoclaim K g c 0 0
xdel K 0-0
xgroup create K g 0
xgroup delconsumer K g c
xinfo consumers K g
xinfo groups K
xlen K
xpending K g
xrange K - +
xread streams K 0
xreadgroup group g c streams K >
xrevrange K + -
xtrim K maxlen 0
zadd K xx 0 v
zcard K
zcount K 0 0
zincrby K 0 v
zrange K 0 0
zrangebyscore K 0 0
zrem K v
zremrangebyrank K 0 0
zremrangebyscore K 0 0
zscan K 0
zscore K v
`)

// harmless are forms that change nothing outside a transaction either: no such group or key exists.
var harmless = []string{"eval", "xack", "xrange", "zadd"}

// wordsOf reads forms, by their command as in [Rights].
func wordsOf(text string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		words := strings.Fields(line)
		name := words[0]
		switch name {
		case "xgroup", "xinfo", "script":
			name += "|" + words[1]
		}
		all[name] = words
	}
	return all
}

// form returns the words of a command with a key.
func form(command, key string) []any {
	var words []any
	for _, w := range forms[command] {
		if w == "K" {
			w = key
		}
		words = append(words, w)
	}
	return words
}
