package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisstream"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// DefaultResultsKeep is how long results are kept at most, unless [Config.ResultsKeep]
// says otherwise.
const DefaultResultsKeep = 7 * 24 * time.Hour

const (
	trimEvery = time.Minute
	trimLimit = 10_000 // entries that one XTRIM removes at most: Redis does nothing else meanwhile
	trimTurns = 20     // of these, at most, in one run
	// What every group has acknowledged stays for a day, for people who look, unless the
	// stream is half full.
	readKept = 24 * time.Hour
	// Before results that a group has not read are removed for their age, a worker has
	// warned of it for so long.
	trimWarning = 24 * time.Hour
)

// trimBounds says how long results are kept.
type trimBounds struct {
	keep time.Duration // and no longer, once it was warned of if a group has not read them
	full int64         // entries from which on what is read is removed at once; 0: never
}

// trimTo decides below which entry of the result stream everything is removed. Nothing is
// that some group has not read and acknowledged, with one exception: what is older than
// the bound, when the group has been warned about for long enough. Without any group
// nobody knows what was read, and only the bound counts. warned says since when each group
// has been warned about.
func trimTo(p redisstream.Progress, b trimBounds, warned map[string]time.Time) string {
	bound := redisstream.FirstID(p.Now.Add(-b.keep))
	if len(p.Groups) == 0 {
		return bound
	}
	cut := redisstream.FirstID(p.Now.Add(-min(readKept, b.keep)))
	if b.full > 0 && p.Length >= b.full {
		cut = redisstream.FirstID(p.Now)
	}
	for _, g := range p.Groups {
		if g.Oldest == "" {
			continue
		}
		limit := g.Oldest
		if since, is := warned[g.Name]; is && p.Now.Sub(since) >= trimWarning {
			limit = later(limit, bound)
		}
		if redisstream.Compare(limit, cut) < 0 {
			cut = limit
		}
	}
	return cut
}

// warnings returns since when each group has been warned about that is about to lose
// results: those that were warned about before, and are no better, keep their time.
func warnings(p redisstream.Progress, b trimBounds, before map[string]time.Time) map[string]time.Time {
	now := map[string]time.Time{}
	for _, g := range p.Groups {
		if g.Age(p.Now) < b.keep-min(trimWarning, b.keep/2) {
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

// trimmer removes results that everybody has read from the result stream, now and then.
// Every process has one; in each minute one of them does it. What it was told is true of
// groups that are there stays true while it trims: a group only goes forward, unless a
// person sets it back.
type trimmer struct {
	rdb      redis.UniversalClient
	keys     tasks.Keys
	bounds   trimBounds
	observer Observer
	log      *slog.Logger
	warned   map[string]time.Time // by group
}

func newTrimmer(c Config) *trimmer {
	keep := c.ResultsKeep
	if keep == 0 {
		keep = DefaultResultsKeep
	}
	return &trimmer{rdb: c.Redis, keys: c.Keys, bounds: trimBounds{keep: keep, full: int64(c.HighWater / 2)},
		observer: c.Observer, log: c.Logger}
}

// run trims until ctx ends.
func (t *trimmer) run(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		if err := t.turn(ctx); err != nil && ctx.Err() == nil {
			t.observer.Observe(RedisFailed{Op: "trim"})
			t.log.Error("the result stream could not be trimmed; trying again in a minute", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// turn trims once, unless another process has in this minute. Every process looks, so
// that each knows for itself since when a group has been behind.
func (t *trimmer) turn(ctx context.Context) error {
	p, err := redisstream.ReadProgress(ctx, t.rdb, t.keys.Results())
	if err != nil {
		return err
	}
	t.warned = warnings(p, t.bounds, t.warned)
	ours, err := t.rdb.SetNX(ctx, t.keys.Trimming(), 1, trimEvery-time.Second).Result()
	if err != nil || !ours {
		return err
	}
	for _, g := range p.Groups {
		if since, is := t.warned[g.Name]; is {
			t.log.Error("a consumer group is so far behind that results it has not read are about to be removed",
				"group", g.Name, "oldest", g.Age(p.Now).Round(time.Second).String(), "kept", t.bounds.keep.String(),
				"removed_from", since.Add(trimWarning).UTC().Format(time.RFC3339),
				"hint", "have it read and acknowledge, raise WORKER_RESULTS_KEEP, or remove it (XGROUP DESTROY) if it is no longer used")
		}
	}
	return t.trim(ctx, trimTo(p, t.bounds, t.warned))
}

// trim removes what is older than an entry, a bounded number at a time. Redis removes
// whole nodes of the stream only, so a few older ones may stay.
func (t *trimmer) trim(ctx context.Context, cut string) error {
	for range trimTurns {
		n, err := t.rdb.XTrimMinIDApprox(ctx, t.keys.Results(), cut, trimLimit).Result()
		if err != nil {
			return fmt.Errorf("trim %s: %w", t.keys.Results(), err)
		}
		if n == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
