package metrics

import (
	"context"
	_ "embed"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// backlog is what stands in Redis at one moment.
type backlog struct {
	lanes     map[tasks.Lane]laneBacklog
	unsettled int64
	late      time.Duration // of the order that should have been looked at first
	results   int64
	unread    map[string]int64         // by consumer group
	oldest    map[string]time.Duration // of what a consumer group has not acknowledged
	requests  int64
	asked     time.Duration // how long the oldest request has waited
	redis     health
}

type laneBacklog struct {
	tasks  map[string]int64 // by asynq's state
	oldest time.Duration    // how long the oldest pending task has waited
}

//go:embed lua/oldest.lua
var oldestScript string

// readBacklog asks everything in one pipeline. asynq's Inspector.GetQueueInfo is
// not used: in v0.26.0 it samples MEMORY USAGE of up to twenty tasks per state,
// takes no context, and fails for a queue into which nothing was ever put.
func readBacklog(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys) (backlog, error) {
	pipe := rdb.Pipeline()
	server := askHealth(ctx, pipe, keys)
	lanes := map[tasks.Lane]laneReplies{}
	for _, lane := range tasks.Lanes() {
		lanes[lane] = askLane(ctx, pipe, keys.Queue(lane))
	}
	due := pipe.ZCard(ctx, keys.Due())
	first := pipe.ZRangeWithScores(ctx, keys.Due(), 0, 0)
	results := pipe.XLen(ctx, keys.Results())
	groups := pipe.XInfoGroups(ctx, keys.Results())
	requests := pipe.XLen(ctx, keys.Requests())
	request := pipe.XRangeN(ctx, keys.Requests(), "-", "+", 1)
	waiting := askUnread(ctx, pipe, keys)
	asked := time.Now()
	replies, _ := pipe.Exec(ctx) // its error is the first of those below
	for _, r := range replies {
		spared := r == server || r == waiting // forbidden on some managed servers; the rest is no worse for it
		if err := r.Err(); err != nil && !isAbsence(err) && !spared {
			return backlog{}, err
		}
	}
	now := time.Now()
	b := backlog{
		redis:     readHealth(server, asked, now),
		oldest:    readUnread(waiting),
		lanes:     map[tasks.Lane]laneBacklog{},
		unsettled: due.Val(),
		results:   results.Val(),
		unread:    countUnread(groups.Val(), results.Val()),
		requests:  requests.Val(),
	}
	for lane, r := range lanes {
		b.lanes[lane] = r.backlog(now)
	}
	if !b.redis.now.IsZero() {
		now = b.redis.now // due and the names of entries are on Redis's clock
	}
	if z := first.Val(); len(z) > 0 {
		b.late = max(0, now.Sub(time.UnixMilli(int64(z[0].Score))))
	}
	if entries := request.Val(); len(entries) > 0 {
		b.asked = max(0, now.Sub(addedAt(entries[0].ID)))
	}
	return b, nil
}

// addedAt is when an entry was added to its stream: the first half of its ID.
func addedAt(id string) time.Time {
	ms, _, _ := strings.Cut(id, "-")
	n, _ := strconv.ParseInt(ms, 10, 64) // Redis takes no ID without one
	return time.UnixMilli(n)
}

// isAbsence tells whether a command only says that there is nothing: no task
// waits, or no result was ever published and so there is no stream.
func isAbsence(err error) bool {
	return errors.Is(err, redis.Nil) || strings.HasPrefix(err.Error(), "ERR no such key")
}

// countUnread adds what a group was not given yet to what it has not acknowledged.
// Where Redis cannot tell the former, because entries were deleted out of turn, all
// of the stream counts: an alarm too many is better than one too few. Groups beyond
// mostGroups are left out, as by askUnread: each is a series.
func countUnread(groups []redis.XInfoGroup, length int64) map[string]int64 {
	unread := map[string]int64{}
	for _, g := range groups[:min(len(groups), mostGroups)] {
		if g.Lag < 0 {
			unread[g.Name] = length
			continue
		}
		unread[g.Name] = g.Lag + g.Pending
	}
	return unread
}

// laneReplies are the answers to come about one queue.
type laneReplies struct {
	counts map[string]*redis.IntCmd // by state
	oldest *redis.Cmd
}

// askLane reads asynq's own keys (v0.26.0, internal/base): two lists and three
// sorted sets per queue.
func askLane(ctx context.Context, pipe redis.Pipeliner, queue string) laneReplies {
	prefix := "asynq:{" + queue + "}:"
	return laneReplies{
		counts: map[string]*redis.IntCmd{
			"pending":   pipe.LLen(ctx, prefix+"pending"),
			"active":    pipe.LLen(ctx, prefix+"active"),
			"scheduled": pipe.ZCard(ctx, prefix+"scheduled"),
			"retry":     pipe.ZCard(ctx, prefix+"retry"),
			"archived":  pipe.ZCard(ctx, prefix+"archived"),
		},
		oldest: pipe.Eval(ctx, oldestScript, []string{prefix + "pending"}, prefix+"t:"),
	}
}

func (r laneReplies) backlog(now time.Time) laneBacklog {
	l := laneBacklog{tasks: map[string]int64{}}
	for state, n := range r.counts {
		l.tasks[state] = n.Val()
	}
	if since, err := r.oldest.Int64(); err == nil {
		l.oldest = max(0, now.Sub(time.Unix(0, since)))
	}
	return l
}
