// Walks of one goroutine, for which the race detector has no use and costs several times as much: make
// test runs them without.

//go:build !race

package worker

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// What the model proves, it proves of its own journal. Here that journal and the
// real one, its Lua scripts on a real Redis, are put through the same random
// sequences of steps by three attempts, with leases that lapse, scripts that are
// repeated, and attempts that act on what they knew long ago. Every answer, and
// everything that is written, must be the same.
func TestModel_HasTheRealJournal(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	orders := 0
	for range 5 { // a hundred walks each
		rapid.Check(t, func(t *rapid.T) {
			orders++
			newTwins(t, rdb, anOrder(fmt.Sprintf("T%d", orders))).walk()
		})
	}
}

// The model's attempt and the real one, with its client, its policy and its journal
// on a real Redis, begin with the same journal and get the same answers from the
// gateway. They must make the same calls and leave the same journal behind.
func TestModel_HasTheRealAttempt(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	orders := 0
	for range 5 { // a hundred each
		rapid.Check(t, func(t *rapid.T) {
			orders++
			replay(t, rdb, "R"+strconv.Itoa(orders))
		})
	}
}

// Whatever is done to the orders of batches, in whatever sequence, with calls that are repeated because
// their answers were lost and processes that die in between: the counters are what a recount of the
// journals gives.
func TestBatch_CountersEqualARecountOfTheJournals(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	lossy := redis.NewClient(&redis.Options{Addr: rdb.Options().Addr})
	t.Cleanup(func() { lossy.Close() })
	lost := &lostAnswers{rdb: rdb}
	lossy.AddHook(lost)
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		if err := rdb.FlushDB(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		b := &batchWalk{T: t, ctx: ctx, rdb: rdb, known: map[string]*journal.Claim{},
			Journal:  &journal.Journal{Redis: lossy, Scripts: lossy, Keys: tasks.Keys{Prefix: tasks.DefaultPrefix}, Times: slowTimes()},
			producer: tasks.NewProducer(lossy, tasks.Keys{Prefix: tasks.DefaultPrefix})}
		t.Repeat(map[string]func(*rapid.T){
			"":        func(*rapid.T) { b.agree() },
			"accept":  b.accept,
			"invalid": b.acceptInvalid,
			"claim":   b.claim,
			"lapse":   b.lapse,
			"settle":  b.settle,
			"reopen":  b.reopen,
			"aside":   b.setAside,
		})
	})
}

// Attempts and people do whatever they may in any order: there is one result for each
// time that the order was open, no number is created under that has been closed or
// left, and nothing comes after a QR code.
func TestReopen_NeverLeadsToASecondQRCode(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		f.id = fmt.Sprintf("default:R%d", n)
		if _, err := tasks.NewProducer(f.Redis, f.Keys).Accept(ctx, anOrder(fmt.Sprintf("R%d", n)).WithDefaults(time.Now())); err != nil {
			rt.Fatal(err)
		}
		before, created, ended, reopens := f.published(), 0, 0, 0
		closed := map[int]bool{} // numbers that a close has left for, or that were left behind
		var claims []*journal.Claim
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch do := rapid.IntRange(0, 6).Draw(rt, "step"); {
			case do == 0 || len(claims) == 0:
				f.lapse()
				if c, err := f.Claim(ctx, f.id, fmt.Sprint("t", n, len(claims))); err == nil && c.Status == journal.ClaimOurs {
					claims = append(claims, &c)
				}
			case do == 1:
				if _, err := f.inspector().Reopen(ctx, f.id, time.Time{}); err == nil {
					reopens++
				}
			default:
				c := claims[rapid.IntRange(0, len(claims)-1).Draw(rt, "attempt")]
				switch do {
				case 2:
					if f.Intent(ctx, c) == nil && closed[c.Reissues] {
						rt.Fatalf("created under number %d, which was closed or left", c.Reissues)
					}
				case 3:
					if f.CloseIntent(ctx, c) == nil {
						closed[c.Reissues] = true
					}
				case 4:
					left := c.Reissues
					if f.Reissue(ctx, c) == nil {
						closed[left] = true
					}
				default:
					o := rapid.SampledFrom(tasks.Outcomes()).Draw(rt, "outcome")
					published, err := f.Settle(ctx, c, f.result(o))
					if err == nil && published && f.published() > before+int64(ended) {
						if ended++; o == tasks.Created {
							if created++; closed[c.Reissues] {
								rt.Fatalf("the QR code of number %d is published, which was closed or left", c.Reissues)
							}
						}
					}
				}
			}
		}
		if open := f.isDue(); created > 1 || created == 1 && open || ended != reopens && ended != reopens+1 || open != (ended == reopens) {
			rt.Fatalf("%d QR codes, %d results and %d retries; open: %t", created, ended, reopens, open)
		}
		ok(t, f.Redis.ZRem(ctx, f.Keys.Due(), f.id).Err())
		ok(t, f.Redis.Del(ctx, f.Keys.Order(f.id)).Err())
	})
}
