package metrics

import (
	"context"
	_ "embed"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/internal/redisstream"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// backlog is the state of the queues and streams in Redis at one moment.
type backlog struct {
	lanes     map[tasks.Lane]laneBacklog // without a lane whose queue could not be read
	missing   error                      // why one could not be read, or nil
	damaged   int64                      // orders that were put aside
	unknown   int64                      // merchants that no running worker has
	unsettled int64                      // without the scheduled ones
	scheduled int64                      // orders whose not_before is ahead
	paused    []string                   // merchant or merchant:pay_type, by hand
	late      time.Duration              // how long the order that became due first has been due
	closing   int64                      // orders whose published QR code is to be closed
	results   streamBacklog
	payments  streamBacklog
	requests  int64
	asked     time.Duration // how long the oldest request has waited
	redis     health

	closingLate time.Duration // how long the first of them has been due
}

// streamBacklog is how far the consumers of a stream are.
type streamBacklog struct {
	length int64
	unread map[string]int64         // by consumer group
	oldest map[string]time.Duration // age of the oldest unread entry, by consumer group
}

type laneBacklog struct {
	tasks  map[string]int64 // by asynq's state
	oldest time.Duration    // how long the oldest pending task has waited
	paused bool
}

//go:embed lua/oldest.lua
var oldestScript string

// mostGroups limits the cost of a scrape and the number of its series: anybody can create
// groups of the stream.
const mostGroups = 50

// readBacklog reads everything in one pipeline. It does not use Inspector.GetQueueInfo of
// asynq, which in v0.26.0 samples MEMORY USAGE of up to twenty tasks per state, takes no
// context, and fails for a queue that was never used.
func readBacklog(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys) (backlog, error) {
	pipe := rdb.Pipeline()
	server := askHealth(ctx, pipe, keys)
	lanes := map[tasks.Lane]laneReplies{}
	for _, lane := range tasks.Lanes() {
		lanes[lane] = askLane(ctx, pipe, keys.Queue(lane))
	}
	due := pipe.ZCard(ctx, keys.Due())
	scheduled := pipe.ZCount(ctx, keys.Scheduled(), strconv.FormatInt(time.Now().UnixMilli(), 10), "+inf")
	first := pipe.ZRangeWithScores(ctx, keys.Due(), 0, 0)
	closing := pipe.ZCard(ctx, keys.Closing())
	firstClosing := pipe.ZRangeWithScores(ctx, keys.Closing(), 0, 0)
	damaged := pipe.ZCard(ctx, keys.Damaged())
	paused := pipe.HGetAll(ctx, keys.Paused())
	unknown := pipe.ZCard(ctx, keys.UnknownMerchants())
	results := redisstream.AskProgress(ctx, pipe, keys.Results(), mostGroups)
	payments := redisstream.AskProgress(ctx, pipe, keys.Payments(), mostGroups)
	requests := pipe.XLen(ctx, keys.Requests())
	request := pipe.XRangeN(ctx, keys.Requests(), "-", "+", 1)
	asked := time.Now()
	replies := pipe.Cmds()
	redispipe.Exec(ctx, pipe)         // its error is the first of the replies' errors
	ofLanes := map[redis.Cmder]bool{} // asynq's keys have slots of their own, and need rights of their own
	for _, r := range lanes {
		for _, reply := range r.all() {
			ofLanes[reply] = true
		}
	}
	for _, r := range replies {
		optional := r == server || ofLanes[r] // some managed servers forbid INFO; the other numbers are still right
		if err := r.Err(); err != nil && !isAbsence(err) && !optional {
			return backlog{}, err
		}
	}
	now := time.Now()
	b := backlog{
		redis:     readHealth(server, asked, now),
		lanes:     map[tasks.Lane]laneBacklog{},
		damaged:   damaged.Val(),
		unknown:   unknown.Val(),
		unsettled: max(0, due.Val()-scheduled.Val()),
		scheduled: scheduled.Val(),
		paused:    slices.Sorted(maps.Keys(paused.Val())),
		closing:   closing.Val(),
		requests:  requests.Val(),
	}
	var err error
	if b.results, err = readStream(results); err != nil {
		return backlog{}, err
	}
	if b.payments, err = readStream(payments); err != nil {
		return backlog{}, err
	}
	for lane, r := range lanes {
		if err := r.failure(); err != nil {
			b.missing = err
			continue
		}
		b.lanes[lane] = r.backlog(now)
	}
	if !b.redis.now.IsZero() {
		now = b.redis.now // the scores of due and the IDs of entries are on Redis's clock
	}
	b.late, b.closingLate = lateness(now, first.Val()), lateness(now, firstClosing.Val())
	if entries := request.Val(); len(entries) > 0 {
		b.asked = max(0, now.Sub(redisstream.Time(entries[0].ID)))
	}
	return b, nil
}

// readStream reads the progress of a stream's consumer groups.
func readStream(reply *redis.Cmd) (streamBacklog, error) {
	p, err := redisstream.ParseProgress(reply)
	if err != nil {
		return streamBacklog{}, err
	}
	s := streamBacklog{length: p.Length, unread: map[string]int64{}, oldest: map[string]time.Duration{}}
	for _, g := range p.Groups {
		s.unread[g.Name], s.oldest[g.Name] = g.Unread, g.Age(p.Now)
	}
	return s, nil
}

// lateness returns how long the first member of a sorted set by due times has been due.
func lateness(now time.Time, first []redis.Z) time.Duration {
	if len(first) == 0 {
		return 0
	}
	return max(0, now.Sub(time.UnixMilli(int64(first[0].Score))))
}

// isAbsence reports whether a command only found nothing: no task waits, or there is no stream
// because nothing was ever published.
func isAbsence(err error) bool {
	return errors.Is(err, redis.Nil) || strings.HasPrefix(err.Error(), "ERR no such key")
}

// laneReplies are the replies about one queue.
type laneReplies struct {
	counts map[string]*redis.IntCmd // by state
	oldest *redis.Cmd
	paused *redis.IntCmd
}

func (r laneReplies) all() []redis.Cmder {
	all := []redis.Cmder{r.oldest, r.paused}
	for _, n := range r.counts {
		all = append(all, n)
	}
	return all
}

// failure returns why a queue could not be read, or nil.
func (r laneReplies) failure() error {
	for _, reply := range r.all() {
		if err := reply.Err(); err != nil && !isAbsence(err) {
			return err
		}
	}
	return nil
}

// askLane reads the keys of asynq itself (v0.26.0, internal/base): two lists and three sorted
// sets per queue, and a key that exists while the queue is paused.
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
		paused: pipe.Exists(ctx, prefix+"paused"),
	}
}

func (r laneReplies) backlog(now time.Time) laneBacklog {
	l := laneBacklog{tasks: map[string]int64{}, paused: r.paused.Val() > 0}
	for state, n := range r.counts {
		l.tasks[state] = n.Val()
	}
	if since, err := r.oldest.Int64(); err == nil {
		l.oldest = max(0, now.Sub(time.Unix(0, since)))
	}
	return l
}
