// Package migrate brings the data of one version in Redis into the format of another, in both
// directions, while no worker runs.
//
// Format 1 is that of the workers before v0.1.0, format 2 that of this version. They differ in the
// names of journal fields, a state, and the wait queues. A worker that took the other format for its own
// would not see what was sent. So Redis says which format it has, in [tasks.Keys.Format].
//
// Start reading at [Adopt] and [Run].
package migrate

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var script = redisscript.Load(luaFiles, "migrate")

// Format is the format of the journals that this version reads and writes.
const Format = "2"

// underway is said while a migration runs, and after one that broke off.
const underway = "migration under way"

// batch is how many journals one script rewrites: Redis does nothing else meanwhile.
const batch = 200

// Refused says why nothing was changed, and what to do.
type Refused struct{ Why string }

// Error implements error.
func (e *Refused) Error() string { return e.Why }

func refuse(format string, args ...any) error { return &Refused{fmt.Sprintf(format, args...)} }

// Direction is the format to come from and the one to go to.
type Direction string

// The directions.
const (
	Forward Direction = "1" // from format 1 to 2
	Back    Direction = "2" // from format 2 to 1
)

// Adopt says in Redis that the workers of this version have it, unless that was said before. A worker
// calls it before it takes orders. It returns a [*Refused] when Redis has orders of another format or
// workers of another version run, and otherwise only errors of Redis.
func Adopt(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys) error {
	m, err := of(ctx, rdb, keys)
	if err != nil {
		return err
	}
	if said, err := m.said(ctx); said || err != nil {
		return err
	}
	// Another worker of this version says it before it starts. So one that is running has said it by now.
	running, err := m.running()
	if err != nil {
		return err
	}
	if said, err := m.said(ctx); said || err != nil {
		return err
	}
	// A Redis that was emptied, or failed over to a replica without data, has lost what was said. The
	// workers that go on there name their merchants every two seconds, which those of format 1 do not.
	ours, err := m.rdb.Exists(ctx, keys.Merchants()).Result()
	if err != nil {
		return err
	}
	if len(running) > 0 && ours == 0 {
		return refuse("workers of an earlier version run (%s), and would not see what this one has sent. Stop them, "+
			"run qfpay-worker migrate, and start this version (docs/upgrade.md)", strings.Join(running, ", "))
	}
	found, err := m.walk(ctx, Forward, false)
	if err != nil {
		return err
	}
	if found.Orders > 0 {
		return refuse("Redis has %d orders of an earlier version. Run qfpay-worker migrate, and start this version again (docs/upgrade.md)", found.Orders)
	}
	return m.say(ctx, Format)
}

// Report is what a migration has done.
type Report struct {
	Orders  int // journals that were rewritten
	Blocked int // orders that the other format cannot hold
}

// Run rewrites all orders. It may be repeated, also after it broke off. It returns a [*Refused], and
// has changed nothing, while workers run, or if orders without a result have what the format to go to
// does not know.
func Run(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, d Direction) (Report, error) {
	m, err := of(ctx, rdb, keys)
	if err != nil {
		return Report{}, err
	}
	if _, err := m.said(ctx); err != nil {
		return Report{}, err
	}
	running, err := m.running()
	if err != nil {
		return Report{}, err
	}
	if len(running) > 0 {
		return Report{}, refuse("workers run (%s): stop them first. One that was killed is forgotten after 10 s", strings.Join(running, ", "))
	}
	if d == Back {
		found, err := m.walk(ctx, d, false)
		if err != nil {
			return Report{}, err
		}
		if found.Blocked > 0 {
			return Report{}, refuse("%d orders without a result are not what the earlier version accepts (batch, not_before, or after they were sent: "+
				"goods_name, out_trade_no, pay_tag, rmb_tag, expired_time, txcurrcd); it would reject them. Let this version finish them first", found.Blocked)
		}
	}
	if err := m.say(ctx, underway); err != nil { // before the first order: workers of format 1 stop at it
		return Report{}, err
	}
	done, err := m.walk(ctx, d, true)
	if err == nil {
		err = m.dropQueues(ctx, d)
	}
	if err == nil && d == Forward {
		err = m.say(ctx, Format)
	}
	return done, err
}

// migration is a connection to the server that has the shard.
type migration struct {
	rdb  redis.UniversalClient
	node redis.UniversalClient
	keys tasks.Keys
}

func of(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys) (*migration, error) {
	node, err := redisserver.ForKey(ctx, rdb, keys.Due()) // SCAN has no key: a Cluster client would send it anywhere
	return &migration{rdb: rdb, node: node, keys: keys}, err
}

// said reports whether Redis says that it has the format of this version.
func (m *migration) said(ctx context.Context) (bool, error) {
	text, err := m.rdb.Get(ctx, m.keys.Format()).Result()
	switch {
	case errors.Is(err, redis.Nil), redis.HasErrorPrefix(err, "WRONGTYPE"): // a sorted set of format 1
		return false, nil
	case err != nil:
		return false, err
	case text == underway:
		return false, nil
	case text != Format:
		return false, refuse("Redis has orders of a later version (%s says %q, this version has %q): start that version", m.keys.Format(), text, Format)
	}
	return true, nil
}

func (m *migration) say(ctx context.Context, format string) error {
	return m.rdb.Set(ctx, m.keys.Format(), format, 0).Err()
}

// running returns the workers that serve the queues of the shard, as host:pid, each once.
func (m *migration) running() ([]string, error) {
	servers, err := asynq.NewInspectorFromRedisClient(m.rdb).Servers()
	if err != nil {
		return nil, err
	}
	var running []string
	for _, s := range servers {
		for _, lane := range tasks.Lanes() {
			if _, ours := s.Queues[m.keys.Queue(lane)]; ours {
				running = append(running, fmt.Sprintf("%s:%d", s.Host, s.PID))
			}
		}
	}
	slices.Sort(running)
	return slices.Compact(running), nil
}

// walk rewrites all journals, or looks at them.
func (m *migration) walk(ctx context.Context, d Direction, rewrite bool) (sum Report, err error) {
	prefix := m.keys.Order("")
	err = m.scan(ctx, prefix+"*", func(journals []string) error {
		args := []any{string(d), 0}
		if rewrite {
			args[1] = 1
		}
		for _, journal := range journals {
			args = append(args, strings.TrimPrefix(journal, prefix))
		}
		counts, err := script.Run(ctx, m.node, append([]string{m.keys.Due(), m.keys.Damaged()}, journals...), args...).Int64Slice()
		if err == nil && len(counts) != 2 {
			err = fmt.Errorf("unexpected answer %v", counts)
		}
		if err != nil {
			return err
		}
		sum.Orders += int(counts[0])
		sum.Blocked += int(counts[1])
		return nil
	})
	return sum, err
}

// dropQueues deletes the wait queues, and going back the format. The orders in them are due by now, and
// join those of the other version.
func (m *migration) dropQueues(ctx context.Context, d Direction) error {
	queues := ":line:*" // of format 1
	if d == Back {
		queues = ":waiting:*"
		if err := m.rdb.Del(ctx, m.keys.Waiting(), m.keys.Format()).Err(); err != nil {
			return err
		}
	}
	return m.scan(ctx, m.keys.Calls("*")+queues, func(found []string) error { return m.node.Del(ctx, found...).Err() })
}

// scan calls each for all keys of a pattern. Redis may name one twice.
func (m *migration) scan(ctx context.Context, pattern string, each func([]string) error) error {
	return redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return m.node.Scan(ctx, cursor, pattern, batch).Result()
	}, each)
}
