package tasks

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// chunk is how many orders one script accepts: enough that the round trip does not matter,
// few enough that other clients wait for 2 ms at most.
const chunk = 200

// DefaultHighWater is the number of results in the stream at which no new orders are
// accepted, unless [Producer.WithHighWater] sets another. So many results take some 5 GB.
const DefaultHighWater = 5_000_000

// Producer enqueues orders. It is safe for concurrent use, and needs no Close: the Redis
// client belongs to the caller.
type Producer struct {
	rdb   redis.UniversalClient
	keys  Keys
	asynq *asynq.Client

	recording *asynq.Client // records what asynq would do

	durability Durability
	highWater  int // of the result stream; 0: no limit
	goodsName  GoodsName
	wakeFailed func() // or nil
}

// NewProducer returns a producer. The keys must have the same prefix as those of the workers.
func NewProducer(rdb redis.UniversalClient, keys Keys) *Producer {
	return &Producer{rdb: rdb, keys: keys, asynq: asynq.NewClientFromRedisClient(rdb),
		recording: newRecordingClient(rdb), highWater: DefaultHighWater}
}

// WithHighWater returns a producer that accepts no new orders while the result stream has n
// or more entries; 0 is no limit. All producers of a shard should have the same limit.
func (p *Producer) WithHighWater(n int) *Producer {
	bounded := *p
	bounded.highWater = n
	return &bounded
}

// WithGoodsName returns a producer that refuses an order which this form does not allow: with
// [StrictName], one whose goods_name would be changed.
func (p *Producer) WithGoodsName(g GoodsName) *Producer {
	named := *p
	named.goodsName = g
	return &named
}

// OnFailedWake returns a producer that calls f when it could not wake workers for new orders: asynq's
// queue is out of reach. The orders are accepted all the same, and go on after a few seconds.
func (p *Producer) OnFailedWake(f func()) *Producer {
	told := *p
	told.wakeFailed = f
	return &told
}

// WithDurability returns a producer that uses this profile. Under [Strict], an order that is
// written and not confirmed is an error, an [ErrUnconfirmed]; repeat the call, which then
// confirms the order.
func (p *Producer) WithDurability(d Durability) *Producer {
	durable := *p
	durable.durability = d
	return &durable
}

// Enqueue accepts one order: it sets the defaults, validates the order, writes it into its
// journal and wakes a worker. After it returns without an error, the order is safe: if the
// wake-up fails, which is not an error, a worker finds the order within seconds, and if the
// task is lost later, within 30 s.
//
// Repeating a call, after an error or a crash, is harmless. The error, which is also in the
// result, is a [qfpay.FieldErrors], a [*ConflictError], a [*HighWaterError], a
// [*JournalError], or an error of Redis. After an error of Redis the order may have been
// accepted; repeat the call.
func (p *Producer) Enqueue(ctx context.Context, o Order) (AcceptResult, error) {
	results := make([]AcceptResult, 1)
	for _, valid := range p.pendingOrders([]Order{o}, results) { // none, if it is invalid
		p.acceptAndWake(ctx, valid)
	}
	return results[0], results[0].Err
}

// EnqueueAll accepts many orders, 200 at a time, which is far faster than one by one. It
// returns the results in the sequence of the orders; an order that is in orders twice is
// enqueued once, and a duplicate. Safety and repetition are as for Enqueue.
//
// The error is not nil if Redis failed, ctx ended, or the result stream is full (a
// [*HighWaterError]). Then the results show which orders were accepted before; those that
// were not accepted, or may have been, have their Err set. Invalid and conflicting orders
// are no reason for an error: only the results show them.
func (p *Producer) EnqueueAll(ctx context.Context, orders []Order) ([]AcceptResult, error) {
	results := make([]AcceptResult, len(orders))
	// Redis does not wait for this process: while it accepts one chunk, workers are woken for
	// the previous one, and the next one is prepared.
	accepted, woken := p.wakeBehind(ctx)
	defer woken()
	next := make(chan []pendingOrder, 1)
	prepare := func(from int) {
		to := min(from+chunk, len(orders))
		next <- p.pendingOrders(orders[from:to], results[from:to])
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

// wakeBehind wakes workers for the chunks that it receives, one after the other. woken waits
// until that is done.
func (p *Producer) wakeBehind(ctx context.Context) (chunks chan<- []pendingOrder, woken func()) {
	accepted := make(chan []pendingOrder, 1)
	var waking sync.WaitGroup
	waking.Go(func() {
		for chunk := range accepted {
			p.wakeAll(ctx, chunk)
		}
	})
	return accepted, func() { close(accepted); waking.Wait() }
}

// notTried sets the results of orders that were not tried because of an earlier error.
func notTried(orders []Order, results []AcceptResult, err error) {
	for i, o := range orders {
		id := o.WithDefaults(time.Time{}).ID()
		results[i] = AcceptResult{ID: id, Err: fmt.Errorf("order %s: not tried after an earlier error: %w", id, err)}
	}
}
