package batches

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// ErrNoBatch says that Redis has no counters of the batch: no order of it was ever accepted, or the
// last change was 30 days ago.
var ErrNoBatch = errors.New("no such batch")

// Batch is what the counters of a batch say as of one moment. Accepted is always Waiting and all
// Outcomes together. Times are on Redis's clock, in UTC, and zero for what has not happened.
type Batch struct {
	Name     string                `json:"batch"`
	Accepted int                   `json:"accepted"`
	Waiting  int                   `json:"waiting"`  // orders without a result, those that were put aside as damaged included
	Outcomes map[tasks.Outcome]int `json:"outcomes"` // all of [tasks.Outcomes]

	FirstAcceptedAt time.Time `json:"first_accepted_at"`
	LastAcceptedAt  time.Time `json:"last_accepted_at"`
	LastSettledAt   time.Time `json:"last_settled_at,omitzero"`
	LastNotBefore   time.Time `json:"last_not_before,omitzero"` // the latest not_before of its orders

	Merchants []Merchant `json:"merchants,omitempty"` // by name; not in a list of batches
	Forecast  *Forecast  `json:"forecast,omitempty"`  // of a batch in which orders wait; not in a list
}

// Merchant are the orders of a batch that have this merchant.
type Merchant struct {
	Merchant string `json:"merchant"`
	Accepted int    `json:"accepted"`
	Waits    Waits  `json:"waiting"`
}

// LastChange is when an order of the batch was last accepted, or got its result.
func (b Batch) LastChange() time.Time {
	if b.LastSettledAt.After(b.LastAcceptedAt) {
		return b.LastSettledAt
	}
	return b.LastAcceptedAt
}

// Read returns the counters of a batch, with a forecast while orders of it wait, or [ErrNoBatch].
func (r *Reader) Read(ctx context.Context, name string) (Batch, error) {
	b, err := r.Counters(ctx, name)
	if err != nil {
		return b, err
	}
	return r.WithForecast(ctx, b)
}

// WithForecast adds a forecast to the counters of a batch in which orders wait.
func (r *Reader) WithForecast(ctx context.Context, b Batch) (Batch, error) {
	own := b.waits()
	if len(own) == 0 {
		return b, nil
	}
	var names []string
	for merchant := range own {
		names = append(names, merchant)
	}
	backlog, err := r.Backlog(ctx, names)
	if err != nil {
		return b, err
	}
	f := backlog.ofWaiting(own, b.LastNotBefore)
	b.Forecast = &f
	return b, nil
}

// Counters returns the counters of a batch without a forecast, or [ErrNoBatch]. It is one HGETALL.
func (r *Reader) Counters(ctx context.Context, name string) (Batch, error) {
	h, err := r.rdb.HGetAll(ctx, r.keys.Batch(name)).Result()
	if err != nil {
		return Batch{}, fmt.Errorf("batch %s: %w", name, err)
	}
	if len(h) == 0 {
		return Batch{}, ErrNoBatch
	}
	return batchOf(name, h)
}

// waits are the waiting orders by merchant.
func (b Batch) waits() map[string]Waits {
	own := map[string]Waits{}
	for _, m := range b.Merchants {
		if m.Waits != (Waits{}) {
			own[m.Merchant] = m.Waits
		}
	}
	return own
}

// batchOf reads the counters of a batch as Redis has them; see batch.lua of the journal.
func batchOf(name string, h map[string]string) (Batch, error) {
	b := Batch{Name: name, Outcomes: map[tasks.Outcome]int{}}
	var bad error
	number := func(field string) int64 {
		if h[field] == "" {
			return 0
		}
		n, err := strconv.ParseInt(h[field], 10, 64)
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("batch %s: its counter %s is %.100q, not a number: was it changed by hand?", name, field, h[field]))
		}
		return n
	}
	moment := func(field string) time.Time {
		if ms := number(field); ms > 0 {
			return time.UnixMilli(ms).UTC()
		}
		return time.Time{}
	}
	b.Accepted, b.Waiting = int(number("accepted")), int(number("waiting"))
	b.FirstAcceptedAt, b.LastAcceptedAt = moment("first_accepted_at"), moment("last_accepted_at")
	b.LastSettledAt, b.LastNotBefore = moment("last_settled_at"), moment("last_not_before")
	for _, o := range tasks.Outcomes() {
		b.Outcomes[o] = int(number(string(o)))
	}
	for field := range h {
		if merchant, is := strings.CutPrefix(field, "merchant:"); is {
			b.Merchants = append(b.Merchants, Merchant{Merchant: merchant, Accepted: int(number(field)), Waits: Waits{
				Interactive: int(number("waiting:" + string(tasks.Interactive) + ":" + merchant)),
				Bulk:        int(number("waiting:" + string(tasks.Bulk) + ":" + merchant)),
			}})
		}
	}
	slices.SortFunc(b.Merchants, func(x, y Merchant) int { return strings.Compare(x.Merchant, y.Merchant) })
	return b, bad
}

// listed are the fields that a list of batches reads: their number does not grow with the merchants.
var listed = append([]string{"accepted", "waiting", "first_accepted_at", "last_accepted_at", "last_settled_at", "last_not_before"},
	outcomeNames()...)

func outcomeNames() (names []string) {
	for _, o := range tasks.Outcomes() {
		names = append(names, string(o))
	}
	return names
}

// List returns the batches that have changed last, at most so many, the latest change first, and how
// many there are in all. It walks all keys; its memory does not grow with their number. damaged is called
// for batches whose counters cannot be read.
func (r *Reader) List(ctx context.Context, most int, damaged func(error)) (latest []Batch, all int, err error) {
	node, err := redisserver.ForKey(ctx, r.rdb, r.keys.Due()) // SCAN has no key: a Cluster client would send it anywhere
	if err != nil {
		return nil, 0, err
	}
	prefix := r.keys.Batch("")
	err = redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return node.Scan(ctx, cursor, prefix+"*", scanned).Result()
	}, func(keys []string) error {
		pipe := node.Pipeline()
		replies := make([]*redis.SliceCmd, len(keys))
		for n, key := range keys {
			replies[n] = pipe.HMGet(ctx, key, listed...)
		}
		if err := redispipe.Exec(ctx, pipe); err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
			return err
		}
		for n, key := range keys {
			b, err := listedBatch(strings.TrimPrefix(key, prefix), replies[n])
			if err != nil {
				damaged(err)
				continue
			}
			if b.Accepted == 0 { // it has run out since it was found
				continue
			}
			all++
			latest = append(latest, b)
		}
		latest = latestOf(latest, most)
		return nil
	})
	return latest, all, err
}

// scanned is how many keys, or members of due, one SCAN looks at.
const scanned = 1000

func listedBatch(name string, reply *redis.SliceCmd) (Batch, error) {
	if err := reply.Err(); err != nil {
		return Batch{}, fmt.Errorf("batch %s: %w", name, err)
	}
	h := map[string]string{}
	for n, value := range reply.Val() {
		h[listed[n]], _ = value.(string)
	}
	return batchOf(name, h)
}

// latestOf returns the batches that have changed last, each once: SCAN may return a key twice.
func latestOf(batches []Batch, most int) []Batch {
	slices.SortStableFunc(batches, func(x, y Batch) int {
		return cmp.Or(y.LastChange().Compare(x.LastChange()), strings.Compare(x.Name, y.Name))
	})
	batches = slices.CompactFunc(batches, func(x, y Batch) bool { return x.Name == y.Name })
	return batches[:min(most, len(batches))]
}
