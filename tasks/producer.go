package tasks

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// When a worker looks after an order for the first time if no task has brought it:
// because the producer died between accepting and waking, or Redis did. Orders that
// come many at once in lane bulk wait their turn in the queue, and a look before that
// is in vain.
const (
	firstLook     = 3 * time.Second
	firstLookBulk = 30 * time.Second
)

// chunk is how many orders go to Redis in one script: enough that the round trip does
// not matter, few enough that other clients are kept waiting for 2 ms at most.
const chunk = 200

// Producer enqueues orders. It is safe for use by many goroutines, and has nothing
// to be closed: the Redis client is the caller's.
type Producer struct {
	rdb   redis.UniversalClient
	keys  Keys
	asynq *asynq.Client

	noting *asynq.Client // notes down what asynq would do

	durability Durability
	highWater  int // of the result stream; 0: none
}

// NewProducer returns a producer. The keys' prefix must be that of the workers.
func NewProducer(rdb redis.UniversalClient, keys Keys) *Producer {
	return &Producer{rdb: rdb, keys: keys, asynq: asynq.NewClientFromRedisClient(rdb),
		noting: newNotingClient(rdb), highWater: DefaultHighWater}
}

// Acceptance is how an order was accepted.
type Acceptance string

// The two ways. Both mean that the order is in its journal and gets its one result.
const (
	Enqueued  Acceptance = "enqueued"  // it is new
	Duplicate Acceptance = "duplicate" // it was there with the same content; nothing was changed
)

// Accepted is what came of one order of [Producer.EnqueueAll]: it was accepted, or
// Err says why not.
type Accepted struct {
	ID         string // merchant:out_trade_no
	Acceptance Acceptance
	State      string // of an order that was accepted: NEW, SENT, CLOSING or DONE
	Err        error  // qfpay.FieldErrors, *ConflictError, *HighWaterError, *JournalError, or Redis's
}

// ConflictError says that an order was there already, with other content. The one
// that is there goes its way; this one was not accepted.
type ConflictError struct {
	ID    string // merchant:out_trade_no
	State string // of the order that is there: NEW, SENT, CLOSING or DONE
}

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s is there already with other content (state %s), and an order cannot be changed; "+
		"use a new out_trade_no", e.ID, e.State)
}

// JournalError says that Redis cannot look into the journal of one order, because
// something else is under its name.
type JournalError struct {
	ID      string // merchant:out_trade_no
	Problem string // in Redis's words
}

// Error implements error.
func (e *JournalError) Error() string {
	return fmt.Sprintf("order %s: not accepted: its journal cannot be read: %s", e.ID, e.Problem)
}

// Enqueue accepts one order: validates it with its defaults filled in, writes it
// into its journal and wakes a worker. Once it has returned without an error, the
// order is safe: should the waking fail, a worker finds it within seconds all the
// same, so that is no error.
//
// Repeating a call, after an error or a crash, is harmless. Errors are a
// [qfpay.FieldErrors], a [*ConflictError], a [*HighWaterError], or Redis's; after one
// of Redis's the order may have been accepted, and the call should be repeated.
func (p *Producer) Enqueue(ctx context.Context, o Order) (Acceptance, error) {
	came := p.EnqueueOne(ctx, o)
	return came.Acceptance, came.Err
}

// EnqueueOne is Enqueue for a caller who wants to be told all that there is to tell:
// the order's id and its state as well.
func (p *Producer) EnqueueOne(ctx context.Context, o Order) Accepted {
	results := make([]Accepted, 1)
	for _, a := range acceptances([]Order{o}, results, firstLook) { // none, if it is not valid
		p.acceptAndWake(ctx, a)
	}
	return results[0]
}

// EnqueueAll accepts many orders, 200 at a time: far faster than one by one. It
// returns what came of each, in their order; the same order twice among them is one
// order and a duplicate. What Enqueue says of safety and of repeating holds for
// each.
//
// The error is not nil when Redis failed, ctx ended, or the result stream is full (a
// [*HighWaterError]); what came before is in the results, and the orders that were not
// accepted, or of which it is not known, have their Err set. It is not about invalid or
// conflicting orders: those are told by the results alone.
func (p *Producer) EnqueueAll(ctx context.Context, orders []Order) ([]Accepted, error) {
	results := make([]Accepted, len(orders))
	// Redis is not kept waiting: while one chunk is accepted, workers are woken for the one
	// before, and the one after is prepared.
	accepted, woken := p.wakeBehind(ctx)
	defer woken()
	next := make(chan []acceptance, 1)
	prepare := func(from int) {
		to := min(from+chunk, len(orders))
		next <- acceptances(orders[from:to], results[from:to], firstLookBulk)
	}
	prepare(0)
	for from := 0; from < len(orders); from += chunk {
		valid, to := <-next, min(from+chunk, len(orders))
		go prepare(to)
		err := p.accept(ctx, valid, nil)
		accepted <- valid
		if err != nil {
			<-next
			notTried(orders[to:], results[to:], err)
			return results, err
		}
	}
	<-next
	return results, nil
}

// wakeBehind wakes workers for the chunks that it is given, one after the other. woken waits
// until that is done.
func (p *Producer) wakeBehind(ctx context.Context) (chunks chan<- []acceptance, woken func()) {
	accepted := make(chan []acceptance, 1)
	var waking sync.WaitGroup
	waking.Go(func() {
		for chunk := range accepted {
			p.wakeAll(ctx, chunk)
		}
	})
	return accepted, func() { close(accepted); waking.Wait() }
}

// notTried writes down that orders were left because of an earlier failure.
func notTried(orders []Order, results []Accepted, err error) {
	for i, o := range orders {
		id := o.WithDefaults(time.Time{}).ID()
		results[i] = Accepted{ID: id, Err: fmt.Errorf("order %s: not tried after: %w", id, err)}
	}
}

// acceptances prepares the acceptance of those of the orders that are valid; what is wrong
// with others, their results say. bulkLook is the first look at those in lane bulk.
func acceptances(orders []Order, results []Accepted, bulkLook time.Duration) []acceptance {
	now := time.Now()
	valid := make([]acceptance, 0, len(orders))
	for i, o := range orders {
		o = o.WithDefaults(now)
		results[i].ID = o.ID()
		look := firstLook
		if o.Lane == Bulk {
			look = bulkLook
		}
		a, err := acceptanceOf(o, look, &results[i])
		if err != nil {
			results[i].Err = err
			continue
		}
		valid = append(valid, a)
	}
	return valid
}
