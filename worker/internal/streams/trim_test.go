package streams

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/internal/redisstream"
	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// away is how many results a reader misses in TestTrim_LetsAReaderThatWasAwayReadEverything.
var away = flag.Int("results.away", 20_000, "results that a reader has missed")

// Whatever the groups have read: nothing that one has not is removed before its time and
// its warning, and what nobody needs any more is.
func TestTrim_RemovesOnlyResultsThatNobodyNeeds(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_772_424_000_000)
	ages := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(20*24*time.Hour/time.Millisecond)).Draw(t, "age")) * time.Millisecond
	})
	rapid.Check(t, func(t *rapid.T) {
		b := trimBounds{keep: ages.Draw(t, "keep") + time.Hour, full: rapid.Int64Range(0, 100).Draw(t, "full")}
		p := redisstream.Progress{Now: now, Length: rapid.Int64Range(0, 200).Draw(t, "length")}
		warned := map[string]time.Time{}
		for i := range rapid.IntRange(0, 4).Draw(t, "groups") {
			g := redisstream.Group{Name: fmt.Sprint("g", i)}
			if rapid.Bool().Draw(t, "behind") {
				g.Oldest = fmt.Sprintf("%d-%d", now.Add(-ages.Draw(t, "oldest")).UnixMilli(), rapid.IntRange(0, 3).Draw(t, "n"))
			}
			if rapid.Bool().Draw(t, "warned") {
				warned[g.Name] = now.Add(-ages.Draw(t, "since"))
			}
			p.Groups = append(p.Groups, g)
		}
		cut := trimTo(p, b, warned)
		bound, fresh := redisstream.FirstID(now.Add(-b.keep)), redisstream.FirstID(now.Add(-min(timing.ReadKept, b.keep)))
		if redisstream.Compare(cut, redisstream.FirstID(now)) > 0 {
			t.Errorf("%s is in the future", cut)
		}
		full := b.full > 0 && p.Length >= b.full
		if !full && redisstream.Compare(cut, fresh) > 0 {
			t.Errorf("%s removes what was published within a day", cut)
		}
		if len(p.Groups) == 0 && cut != bound {
			t.Errorf("without a group %s, want the bound %s", cut, bound)
		}
		free := true // nobody keeps anything
		for _, g := range p.Groups {
			since, is := warned[g.Name]
			due := is && now.Sub(since) >= timing.TrimWarning
			if g.Oldest == "" {
				continue
			}
			free = free && redisstream.Compare(g.Oldest, fresh) >= 0
			lost := redisstream.Compare(g.Oldest, cut) < 0
			if lost && !due {
				t.Errorf("%s removes %s of %s, which was not warned about", cut, g.Oldest, g.Name)
			}
			if lost && redisstream.Compare(cut, bound) > 0 {
				t.Errorf("%s removes %s of %s before its time, %s", cut, g.Oldest, g.Name, bound)
			}
		}
		if free && len(p.Groups) > 0 && redisstream.Compare(cut, fresh) < 0 {
			t.Errorf("%s leaves what everybody has read; %s is a day old", cut, fresh)
		}
	})
}

func TestTrim_WarnsAboutAGroupADayBefore(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_772_424_000_000)
	b := trimBounds{keep: 7 * 24 * time.Hour}
	at := func(age time.Duration) redisstream.Progress {
		return redisstream.Progress{Now: now, Groups: []redisstream.Group{{Name: "g", Oldest: redisstream.FirstID(now.Add(-age))}, {Name: "well"}}}
	}
	if w := warnings(at(6*24*time.Hour-time.Minute), b, nil); len(w) != 0 {
		t.Errorf("warned too early: %v", w)
	}
	first := warnings(at(6*24*time.Hour), b, nil)
	if len(first) != 1 || first["g"] != now {
		t.Errorf("%v", first)
	}
	before := map[string]time.Time{"g": now.Add(-time.Hour)}
	if w := warnings(at(8*24*time.Hour), b, before); w["g"] != before["g"] {
		t.Errorf("the time of the first warning is lost: %v", w)
	}
	if w := warnings(at(time.Hour), b, before); len(w) != 0 {
		t.Errorf("a group that has caught up is warned about: %v", w)
	}
}

// results is a result stream.
type results struct {
	t      *testing.T
	server *redistest.Server
	rdb    *redis.Client
	keys   tasks.Keys
	log    *bytes.Buffer
}

func newResults(t *testing.T) *results {
	server := redistest.Start(t)
	return &results{t, server, server.Client(t), tasks.Keys{Prefix: tasks.DefaultPrefix}, &bytes.Buffer{}}
}

// trimmer keeps results for a week.
func (r *results) trimmer(highWater int) *Trimmer {
	return NewTrimmer(Config{Redis: r.rdb, Keys: r.keys, ResultsKeep: timing.ResultsKeep, HighWater: highWater, Logger: slog.New(slog.NewTextHandler(r.log, nil))}, r.keys.Results())
}

// published is how many entries the stream has.
func (r *results) published() int { return int(r.rdb.XLen(r.t.Context(), r.keys.Results()).Val()) }

// publishOld puts n entries on the result stream, of which the first is that old.
func publishOld(t *testing.T, rdb *redis.Client, keys tasks.Keys, n int, age time.Duration) {
	t.Helper()
	began := rdb.Time(t.Context()).Val().Add(-age).UnixMilli()
	for from := 0; from < n; from += 1000 {
		_, err := rdb.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			for i := from; i < min(n, from+1000); i++ {
				r := tasks.Result{V: tasks.ResultVersion, ID: fmt.Sprint("default:T", i), Outcome: string(tasks.Created),
					QRCode: "https://qr.example/" + strings.Repeat("x", 60), Response: strings.Repeat("y", 300)}
				pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), ID: fmt.Sprintf("%d-%d", began, i+1), Values: r.Values()})
			}
			return nil
		})
		ok(t, err)
	}
}

// Groups read, acknowledge and leave as they like while the stream is trimmed again and
// again: what one has not read or not acknowledged stays, and in the end all else goes.
func TestTrim_LosesNoEntryOfAGroup(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	ctx, n := t.Context(), 3000
	publishOld(t, r.rdb, r.keys, n, 48*time.Hour)
	tr := r.trimmer(0)
	tr.bounds.keep = 72 * time.Hour
	names := []string{"a", "b", "c"}
	got, open := map[string]int{}, map[string][]string{}
	for _, g := range names {
		ok(t, r.rdb.XGroupCreate(ctx, r.keys.Results(), g, "0").Err())
	}
	random := rand.New(rand.NewPCG(1, 2))
	for step := 0; got["a"]+got["b"]+got["c"] < 3*n; step++ {
		g := names[random.IntN(len(names))]
		read := r.rdb.XReadGroup(ctx, &redis.XReadGroupArgs{Group: g, Consumer: "x", Streams: []string{r.keys.Results(), ">"},
			Count: 1 + random.Int64N(150), Block: -1}).Val()
		for _, s := range read {
			for _, m := range s.Messages {
				if got[g]++; m.Values["id"] != fmt.Sprint("default:T", got[g]-1) {
					t.Fatalf("%s: entry %d is %v: some were lost", g, got[g], m.Values["id"])
				}
				open[g] = append(open[g], m.ID)
			}
		}
		var done []string // in any order; a few stay open
		for len(open[g]) > 0 && random.IntN(20) > 0 {
			i := random.IntN(len(open[g]))
			done = append(done, open[g][i])
			open[g] = append(open[g][:i], open[g][i+1:]...)
		}
		if len(done) > 0 {
			ok(t, r.rdb.XAck(ctx, r.keys.Results(), g, done...).Err())
		}
		if step%3 == 0 {
			ok(t, r.rdb.Del(ctx, r.keys.Trimming(r.keys.Results())).Err())
			ok(t, tr.turn(ctx))
			for _, g := range names {
				here := r.existing(open[g])
				for i, id := range open[g] {
					if !here[i] {
						t.Fatalf("%s has %s open, and it is gone", g, id)
					}
				}
			}
		}
	}
	for _, g := range names {
		if len(open[g]) > 0 {
			ok(t, r.rdb.XAck(ctx, r.keys.Results(), g, open[g]...).Err())
		}
	}
	ok(t, r.rdb.Del(ctx, r.keys.Trimming(r.keys.Results())).Err())
	ok(t, tr.turn(ctx))
	if left := r.published(); left > 100 {
		t.Errorf("%d entries are left that everybody has read", left)
	}
}

// existing tells of each entry of the result stream whether it is there.
func (r *results) existing(ids []string) []bool {
	pipe := r.rdb.Pipeline()
	for _, id := range ids {
		pipe.XRange(r.t.Context(), r.keys.Results(), id, id)
	}
	answers, err := pipe.Exec(r.t.Context())
	ok(r.t, err)
	here := make([]bool, len(ids))
	for i, a := range answers {
		here[i] = len(a.(*redis.XMessageSliceCmd).Val()) == 1
	}
	return here
}

// A group that is about to lose results is warned about, and loses none on the first day
// of the warning, however old they are.
func TestTrim_KeepsUnreadResultsUntilTheWarningIsOver(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	publishOld(t, r.rdb, r.keys, 1000, 30*24*time.Hour)
	ok(t, r.rdb.XGroupCreate(t.Context(), r.keys.Results(), "left", "0").Err())
	tr := r.trimmer(0)
	ok(t, tr.turn(t.Context()))
	if n := r.published(); n != 1000 || !strings.Contains(r.log.String(), "group=left") {
		t.Fatalf("%d are left, and the log says:\n%s", n, r.log)
	}
	tr.warned["left"] = tr.warned["left"].Add(-timing.TrimWarning)
	ok(t, tr.turn(t.Context()))
	if n := r.published(); n != 1000 {
		t.Errorf("it was trimmed twice in a minute: %d are left", n)
	}
	ok(t, r.rdb.Del(t.Context(), r.keys.Trimming(r.keys.Results())).Err())
	ok(t, tr.turn(t.Context()))
	if n := r.published(); n > 100 {
		t.Errorf("%d are left, far past their time and their warning", n)
	}
}

// When the stream is half full, what everybody has read goes at once.
func TestTrim_KeepsNothingReadInAFullStream(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	publishOld(t, r.rdb, r.keys, 1000, time.Hour)
	ok(t, r.rdb.XGroupCreate(t.Context(), r.keys.Results(), "g", "$").Err())
	for _, c := range []struct{ highWater, left int }{{4000, 1000}, {2000, 100}} {
		ok(t, r.rdb.Del(t.Context(), r.keys.Trimming(r.keys.Results())).Err())
		ok(t, r.trimmer(c.highWater).turn(t.Context()))
		if n := r.published(); n > c.left || c.left == 1000 && n != 1000 {
			t.Errorf("high water %d: %d are left", c.highWater, n)
		}
	}
}

// A consumer comes back to everything that it has missed, whatever was trimmed meanwhile.
func TestTrim_LetsAReaderThatWasAwayReadEverything(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	rdb, keys := r.rdb, r.keys
	ok(t, rdb.XGroupCreateMkStream(t.Context(), keys.Results(), "away", "0").Err())
	ok(t, rdb.XGroupCreate(t.Context(), keys.Results(), "here", "$").Err())
	publishOld(t, rdb, keys, *away, 5*24*time.Hour)
	ok(t, rdb.XGroupSetID(t.Context(), keys.Results(), "here", "$").Err())
	tr := r.trimmer(0)
	ok(t, tr.turn(t.Context()))
	began, n := time.Now(), 0
	// An answer that a client gives up waiting for would be lost without acknowledgements.
	patient := redis.NewClient(&redis.Options{Network: "unix", Addr: r.server.Socket, ReadTimeout: -1})
	t.Cleanup(func() { patient.Close() })
	for n < *away {
		read, err := patient.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "away", Consumer: "x", NoAck: true,
			Streams: []string{keys.Results(), ">"}, Count: 1000, Block: -1}).Result()
		if err != nil {
			t.Fatalf("%d of %d: %v", n, *away, err)
		}
		for _, m := range read[0].Messages {
			if m.Values["id"] != fmt.Sprint("default:T", n) {
				t.Fatalf("entry %d is %v", n, m.Values["id"])
			}
			n++
		}
	}
	t.Logf("%d results read in %s", n, time.Since(began).Round(time.Millisecond))
}
