package streams

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisstream"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

const (
	trimLimit = 10_000 // entries that one XTRIM removes at most: Redis does nothing else meanwhile
	trimTurns = 20     // of these, at most, in one run
)

// trimBounds says how long results are kept.
type trimBounds struct {
	keep time.Duration // for groups that have not read them, the warning comes first
	full int64         // from so many entries on, read ones are removed at once; 0: never
}

// trimTo decides below which entry a stream is trimmed. It keeps every entry that a
// group has not read and acknowledged, with one exception: entries older than the bound, when
// the group has been warned about for long enough. Without any group it is unknown what was
// read, and only the bound counts. warned has the time since which each group has been warned
// about.
func trimTo(p redisstream.Progress, b trimBounds, warned map[string]time.Time) string {
	bound := redisstream.FirstID(p.Now.Add(-b.keep))
	if len(p.Groups) == 0 {
		return bound
	}
	cut := redisstream.FirstID(p.Now.Add(-min(timing.ReadKept, b.keep)))
	if b.full > 0 && p.Length >= b.full {
		cut = redisstream.FirstID(p.Now)
	}
	for _, g := range p.Groups {
		if g.Oldest == "" {
			continue
		}
		limit := g.Oldest
		if since, is := warned[g.Name]; is && p.Now.Sub(since) >= timing.TrimWarning {
			limit = later(limit, bound)
		}
		if redisstream.Compare(limit, cut) < 0 {
			cut = limit
		}
	}
	return cut
}

// warnings returns since when each group has been warned about that is about to lose results. A
// group that was warned about before, and is no better, keeps its time.
func warnings(p redisstream.Progress, b trimBounds, before map[string]time.Time) map[string]time.Time {
	now := map[string]time.Time{}
	for _, g := range p.Groups {
		if g.Age(p.Now) < b.keep-min(timing.TrimWarning, b.keep/2) {
			continue
		}
		now[g.Name] = p.Now
		if since, is := before[g.Name]; is {
			now[g.Name] = since
		}
	}
	return now
}

func later(a, b string) string {
	if redisstream.Compare(a, b) < 0 {
		return b
	}
	return a
}

// Trimmer removes entries that every group has read from a stream of results or payments, now and
// then. Every process has one for each; in each minute one of them trims. Progress that it has read stays valid while
// it trims: a group only moves forward, unless a person sets it back.
type Trimmer struct {
	rdb      redis.UniversalClient
	keys     tasks.Keys
	stream   string
	bounds   trimBounds
	observer event.Observer
	log      *slog.Logger
	warned   map[string]time.Time // by group
}

// NewTrimmer makes a trimmer of a stream.
func NewTrimmer(c Config, stream string) *Trimmer {
	return &Trimmer{rdb: c.Redis, keys: c.Keys, stream: stream, bounds: trimBounds{keep: c.ResultsKeep, full: int64(c.HighWater / 2)},
		observer: c.Observer, log: c.Logger}
}

// Run trims until ctx ends.
func (t *Trimmer) Run(ctx context.Context) {
	tick := time.NewTicker(timing.TrimEvery)
	defer tick.Stop()
	for {
		if err := t.turn(ctx); err != nil && ctx.Err() == nil {
			t.observer.Observe(event.RedisFailed{Op: "trim"})
			t.log.Error("a stream could not be trimmed; trying again in a minute", "stream", t.stream, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// turn trims once, unless another process has in this minute. Every process reads the progress,
// so that each knows by itself since when a group has been behind.
func (t *Trimmer) turn(ctx context.Context) error {
	p, err := redisstream.ReadProgress(ctx, t.rdb, t.stream)
	if err != nil {
		return err
	}
	t.warned = warnings(p, t.bounds, t.warned)
	ours, err := t.rdb.SetNX(ctx, t.keys.Trimming(t.stream), 1, timing.TrimEvery-time.Second).Result()
	if err != nil || !ours {
		return err
	}
	for _, g := range p.Groups {
		if since, is := t.warned[g.Name]; is {
			t.log.Error("a consumer group is so far behind that entries it has not read are about to be removed", "stream", t.stream,
				"group", g.Name, "oldest", g.Age(p.Now).Round(time.Second).String(), "kept", t.bounds.keep.String(),
				"removed_from", since.Add(timing.TrimWarning).UTC().Format(time.RFC3339),
				"hint", "let it read and acknowledge, raise WORKER_RESULTS_KEEP, or remove it (XGROUP DESTROY) if it is no longer used")
		}
	}
	return t.trim(ctx, trimTo(p, t.bounds, t.warned))
}

// trim removes the entries before cut, a bounded number at a time. Redis removes only whole
// nodes of the stream, so a few older entries may stay.
func (t *Trimmer) trim(ctx context.Context, cut string) error {
	for range trimTurns {
		n, err := t.rdb.XTrimMinIDApprox(ctx, t.stream, cut, trimLimit).Result()
		if err != nil {
			return fmt.Errorf("trim %s: %w", t.stream, err)
		}
		if n == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
