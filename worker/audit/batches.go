package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// recounted is how many counters are recounted in one walk over the journals, so that memory does not grow
// with the batches.
const recounted = 50_000

// recountBatch is how many orders one round trip of a recount reads.
const recountBatch = 250

// tally are counters of a batch by field, without those that are 0.
type tally map[string]int64

// counters are those of some batches, as Redis has them, by name and field.
type counters map[string]map[string]string

// batches recounts the counters of every batch from the journals.
func (a *audit) batches(ctx context.Context) error {
	prefix := a.keys.Batch("")
	some, fields := counters{}, 0
	err := redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return a.node.Scan(ctx, cursor, prefix+"*", auditBatch).Result()
	}, func(found []string) error {
		for n := range found {
			found[n] = strings.TrimPrefix(found[n], prefix)
		}
		read, err := a.counters(ctx, found)
		if err != nil {
			return err
		}
		for name, h := range read {
			some[name] = h
			fields += len(h)
		}
		if fields < recounted {
			return nil
		}
		err = a.recountAll(ctx, some)
		some, fields = counters{}, 0
		return err
	})
	if err != nil {
		return err
	}
	return a.recountAll(ctx, some)
}

// counters reads the counters of batches, and reports those that cannot be read.
func (a *audit) counters(ctx context.Context, names []string) (counters, error) {
	replies := make([]*redis.MapStringStringCmd, len(names))
	pipe := a.node.Pipeline()
	for n, name := range names {
		replies[n] = pipe.HGetAll(ctx, a.keys.Batch(name))
	}
	if err := redispipe.Exec(ctx, pipe); err != nil && !journal.IsDamage(err) {
		return nil, err
	}
	read := counters{}
	for n, name := range names {
		switch h, err := replies[n].Result(); {
		case err != nil:
			a.suspects[batchID(name)] = "its counters cannot be read: " + err.Error()
		case len(h) > 0: // else it has run out since it was found
			read[name] = h
		}
	}
	return read, nil
}

func batchID(name string) string { return "batch " + name }

// recountAll recounts some batches, and twice more those whose counters are not what was counted. A batch
// that changes meanwhile cannot be compared, and counts as moving.
func (a *audit) recountAll(ctx context.Context, before counters) error {
	a.Recounted += len(before)
	for try := 1; len(before) > 0; try++ {
		wrong, err := a.recount(ctx, before)
		if err != nil {
			return err
		}
		if try == 3 {
			for name, problem := range wrong {
				a.suspects[batchID(name)] = problem
			}
			return nil
		}
		if len(wrong) > 0 {
			if err := wait.Sleep(ctx, timing.AuditPause); err != nil {
				return err
			}
		}
		if before, err = a.counters(ctx, slices.Collect(maps.Keys(wrong))); err != nil {
			return err
		}
	}
	return nil
}

// recount walks all journals, and returns what is wrong with which batches.
func (a *audit) recount(ctx context.Context, before counters) (wrong map[string]string, err error) {
	counted := map[string]tally{}
	for name := range before {
		counted[name] = tally{}
	}
	if err := a.countOrders(ctx, counted); err != nil {
		return nil, err
	}
	after, err := a.counters(ctx, slices.Collect(maps.Keys(before)))
	if err != nil {
		return nil, err
	}
	wrong = map[string]string{}
	for name, h := range before {
		if !maps.Equal(h, after[name]) {
			a.Moving++
		} else if problem := miscounted(h, counted[name], time.Now()); problem != "" {
			wrong[name] = problem
		}
	}
	return wrong, nil
}

// countOrders adds every order of these batches to the tally of its batch.
func (a *audit) countOrders(ctx context.Context, batches map[string]tally) error {
	prefix := a.keys.Order("")
	return redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return a.node.Scan(ctx, cursor, prefix+"*", recountBatch).Result()
	}, func(found []string) error {
		journals := make([]*redis.SliceCmd, len(found))
		pipe := a.node.Pipeline()
		for n, key := range found {
			journals[n] = pipe.HMGet(ctx, key, "batch", "state", "outcome", "lane")
		}
		if err := redispipe.Exec(ctx, pipe); err != nil && !journal.IsDamage(err) {
			return err
		}
		for n, key := range found {
			if journals[n].Err() != nil {
				continue // damaged: journals has found that
			}
			var f [4]string
			for i, value := range journals[n].Val() {
				f[i], _ = value.(string)
			}
			merchant, _, _ := strings.Cut(strings.TrimPrefix(key, prefix), ":")
			if t := batches[f[0]]; t != nil {
				t.add(merchant, f[1], f[2], f[3])
			}
		}
		return nil
	})
}

func (t tally) add(merchant, state, outcome, lane string) {
	t["accepted"]++
	t["merchant:"+merchant]++
	if state == "DONE" {
		t[cmp.Or(outcome, "no outcome")]++
		return
	}
	t["waiting"]++
	t["waiting:"+lane+":"+merchant]++
}

// miscounted returns how the counters of a batch differ from what was counted, or "". Journals of settled orders
// run out before the counters: where one may have, fewer of them are no difference.
func miscounted(counters map[string]string, counted tally, now time.Time) string {
	want := maps.Clone(counted)
	has := tally{}
	for field, text := range counters {
		if strings.HasPrefix(field, "first_") || strings.HasPrefix(field, "last_") {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Sprintf("its counter %s is %.100q, not a number", field, text)
		}
		if n != 0 {
			has[field] = n
		}
	}
	first, _ := strconv.ParseInt(counters["first_accepted_at"], 10, 64)
	if now.Sub(time.UnixMilli(first)) > timing.Retention-time.Hour { // clocks differ
		for field, n := range has {
			if !strings.HasPrefix(field, "waiting") {
				want[field] = max(want[field], n)
			}
		}
	}
	var differ []string
	for _, field := range slices.Sorted(maps.Keys(joined(has, want))) {
		if has[field] != want[field] {
			differ = append(differ, fmt.Sprintf("%s is %d, and of its orders %d", field, has[field], want[field]))
		}
	}
	if sum := has["waiting"] + outcomes(has); len(differ) == 0 && sum != has["accepted"] {
		return fmt.Sprintf("accepted is %d, and waiting and the outcomes are %d together", has["accepted"], sum)
	}
	return strings.Join(differ, "; ")
}

func outcomes(t tally) (n int64) {
	for _, o := range tasks.Outcomes() {
		n += t[string(o)]
	}
	return n
}

func joined(a, b tally) tally {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
