// Package streams takes requests from the request stream, and trims the result stream: what
// docs/streams.md describes.
//
// It never removes a request whose order is not in its journal or in the stream of dead letters,
// and never a result that a consumer group has not read, unless it has warned for long. It works on
// no order.
//
// Start reading at [Intake.Run] and [Trimmer.Run].
package streams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sethvargo/go-retry"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/internal/seldom"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisbound"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

const (
	intakeBatch     = 1000 // entries that are read at once
	intakeAcceptors = 3    // batches that are accepted at once, so that Redis always has work
)

// Config is what intake and trimmer need.
type Config struct {
	Redis       redis.UniversalClient
	Blocking    redis.UniversalClient // for reads that block; closed when the worker stops
	Keys        tasks.Keys
	ResultsKeep time.Duration // longest that results are kept
	HighWater   int           // the worker's; 0: no bound
	Observer    event.Observer
	Logger      *slog.Logger
}

// Intake accepts the orders that producers in any language put on the request stream. An entry
// is removed from the stream when its order is in its journal, or the dead letter is written.
// Until then it is pending in the group, and another worker takes it over if this one dies.
// Accepting an order a second time is harmless.
type Intake struct {
	requests
	keys     tasks.Keys
	producer *tasks.Producer
	observer event.Observer
	log      *slog.Logger
	refused  *seldom.Teller
	Idle     time.Duration // intakeIdle; shorter in tests
	Ended    chan struct{} // closed when every entry that was read is accepted, or left to others
}

// entry is an entry that was read, and the order in it.
type entry struct {
	requestEntry
	order tasks.Order
	bad   error // why it is not an order
}

// isOrder reports whether there is an order to accept.
func (e entry) isOrder() bool { return e.fields != nil && e.bad == nil }

// NewIntake makes an intake, which accepts with p.
func NewIntake(c Config, p *tasks.Producer) *Intake {
	host, _ := os.Hostname() // only for people who look at the group, so it may be missing
	consumer := fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
	refused := seldom.New(func(n int, attrs ...any) {
		c.Logger.Warn("requests were refused", append(attrs, "requests", n, "stream", c.Keys.Rejected())...)
	})
	return &Intake{requests: requestsOf(c, consumer), keys: c.Keys, producer: p,
		observer: c.Observer, log: c.Logger, refused: refused, Idle: timing.IntakeIdle, Ended: make(chan struct{})}
}

// Run accepts orders until ctx ends. While some batches are accepted the next ones are read.
func (in *Intake) Run(ctx context.Context) {
	batches := make(chan []entry)
	accepting, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	var acceptors, inFlight sync.WaitGroup
	for range intakeAcceptors {
		acceptors.Go(func() {
			for batch := range batches {
				in.acceptUntilDone(accepting, batch)
				inFlight.Done()
			}
		})
	}
	stop := context.AfterFunc(ctx, func() {
		wait.Sleep(accepting, timing.IntakeLast)
		abandon()
	})
	defer stop()
	in.readAll(ctx, batches, &inFlight)
	close(batches)
	acceptors.Wait()
	close(in.Ended)
	if err := in.forget(accepting, 2*in.Idle, in.consumer); err != nil {
		in.log.Debug("the name of this consumer stays in the group for now", "error", err)
	}
}

// readAll reads until ctx ends.
func (in *Intake) readAll(ctx context.Context, batches chan<- []entry, inFlight *sync.WaitGroup) {
	r := &intakeReader{Intake: in, batches: batches, inFlight: inFlight, turns: turns{requests: in.requests, idle: in.Idle, count: intakeBatch, own: true}}
	b, failing, cut := wait.Backoff(), false, false
	for ctx.Err() == nil {
		err := r.next(ctx)
		if err == nil {
			b, failing, cut = wait.Backoff(), false, false
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if _, long := redisbound.Exceeded(err); long {
			r.turns.own = true
			continue
		}
		r.turns.failed()
		if !failing && !cut && redispipe.Cut(err) { // a proxy may end a connection on which nothing comes
			cut = true
			in.log.Debug("the connection to Redis ended; reading requests on another", "error", err)
			continue
		}
		in.failed("requests could not be read; trying again", err, failing)
		failing = true
		p, _ := b.Next()
		wait.Sleep(ctx, p)
	}
}

// failed reports an error. Only the first of several in a row is logged.
func (in *Intake) failed(what string, err error, again bool) {
	in.observer.Observe(event.RedisFailed{Op: "intake"})
	if !again {
		in.log.Error(what, "error", err)
	}
}

// intakeReader reads the entries of an intake.
type intakeReader struct {
	*Intake
	turns    turns
	batches  chan<- []entry
	inFlight *sync.WaitGroup // batches that were handed over and are not accepted yet
	more     bool            // the last read found new entries: there may be more
}

// next reads and hands over one batch.
func (r *intakeReader) next(ctx context.Context) error {
	if r.turns.own {
		r.inFlight.Wait() // what is pending then was left unaccepted
	}
	entries, err := r.turns.next(ctx, r.new)
	r.handOver(ctx, entries)
	return err
}

// new reads new entries. It waits for the first of them, and reads those behind it into the same
// batch: batches are accepted side by side, and of two orders with one number the first is to win.
func (r *intakeReader) new(ctx context.Context) (entries []requestEntry, err error) {
	if r.more {
		entries, err = r.fresh(ctx, intakeBatch)
	}
	if err == nil && len(entries) == 0 {
		entries, err = r.wait(ctx, timing.IntakeBlock)
		if err == nil && len(entries) > 0 {
			var behind []requestEntry
			behind, err = r.fresh(ctx, intakeBatch)
			entries = append(entries, behind...)
		}
	}
	r.more = len(entries) > 0
	return entries, err
}

// handOver parses the orders of entries and hands them to the acceptors. Entries that are not
// handed over because ctx has ended stay pending.
func (r *intakeReader) handOver(ctx context.Context, entries []requestEntry) {
	if len(entries) == 0 {
		return
	}
	batch := make([]entry, len(entries))
	for i, e := range entries {
		batch[i].requestEntry = e
		if batch[i].bad = e.refused(); batch[i].bad == nil && e.fields != nil {
			batch[i].order, batch[i].bad = tasks.ParseRequest(e.fields)
		}
	}
	r.inFlight.Add(1)
	select {
	case r.batches <- batch:
	case <-ctx.Done():
		r.inFlight.Done()
	}
}

// acceptUntilDone accepts a batch, and repeats that for orders that could not be accepted, while
// Redis fails or the result stream is full.
func (in *Intake) acceptUntilDone(ctx context.Context, batch []entry) {
	paused, failing, survived := false, false, false
	err := retry.Do(ctx, wait.Backoff(), func(ctx context.Context) error {
		left, err := in.accept(ctx, batch)
		if err == nil {
			return nil
		}
		batch = left
		if !survived {
			survived = in.survived(ctx, idsOf(batch)) == nil
		}
		if _, full := errors.AsType[*tasks.HighWaterError](err); !full {
			in.failed("requests could not be accepted; trying again", err, failing)
			failing = true
		} else if !paused {
			paused = true
			in.log.Warn("requests wait", "reason", err)
		}
		return retry.RetryableError(err)
	})
	if err != nil {
		in.log.Warn("requests were left for another worker", "requests", len(batch), "error", err)
	}
}

// accept accepts the orders of a batch once, and removes finished entries from the stream. It
// returns the entries that are left, with the reason.
func (in *Intake) accept(ctx context.Context, batch []entry) (left []entry, err error) {
	accepted, failed := in.producer.EnqueueAll(ctx, orders(batch))
	var done []string
	var deadLetters []*redis.XAddArgs
	for _, e := range batch {
		why := e.bad
		if e.isOrder() {
			why, accepted = accepted[0].Err, accepted[1:]
			if why != nil && !final(why) {
				left = append(left, e)
				continue
			}
		}
		if why != nil {
			deadLetters = append(deadLetters, DeadLetter(in.keys, e.id, why, tasks.RequestText(e.fields)))
		}
		done = append(done, e.id)
	}
	if err := in.settle(ctx, done, deadLetters); err != nil {
		return batch, err
	}
	if len(deadLetters) > 0 {
		in.refused.Add(len(deadLetters), "one_of_them", deadLetters[0].Values.([]any)[3])
	}
	if len(left) == 0 {
		return nil, nil
	}
	return left, failed
}

func idsOf(batch []entry) []string {
	ids := make([]string, len(batch))
	for i, e := range batch {
		ids[i] = e.id
	}
	return ids
}

// orders returns the orders of a batch.
func orders(batch []entry) []tasks.Order {
	all := make([]tasks.Order, 0, len(batch))
	for _, e := range batch {
		if e.isOrder() {
			all = append(all, e.order)
		}
	}
	return all
}

// final reports whether an order will never be accepted, however often it is tried.
func final(err error) bool {
	_, invalid := errors.AsType[qfpay.FieldErrors](err)
	_, conflict := errors.AsType[*tasks.ConflictError](err)
	_, journal := errors.AsType[*tasks.JournalError](err)
	return invalid || conflict || journal
}
