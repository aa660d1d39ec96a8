package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/internal/seldom"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/asynqhook"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/attempt"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/failpoint"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/fleet"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/merchants"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/pool"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisbound"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/roundtimer"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/streams"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
	"github.com/qfpay-worker/qfpay-worker/worker/payments"
)

// Worker takes orders to their results, until it is told to stop.
type Worker struct {
	config      Config
	handler     *handler
	dispatcher  *dispatcher
	intake      *streams.Intake
	trimmers    []*streams.Trimmer
	cancels     *streams.Cancels
	follower    *payments.Follower // nil: published codes are not followed
	servers     []*asynq.Server
	prefetchers []*asynqhook.Prefetcher // one for each server
	stop        chan struct{}           // closed when the worker takes no more orders
	asynqLog    asynq.Logger            // of both servers
	running     sync.WaitGroup          // everything that Run has started

	dequeueFails time.Duration // how long dequeues fail before the worker is not ready
}

// New makes a worker, or returns everything that is wrong with its configuration.
func New(c Config) (*Worker, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.HTTP == nil {
		c.HTTP = qfpay.NewHTTPClient()
	}
	if c.ResultsKeep == 0 {
		c.ResultsKeep = DefaultResultsKeep
	}
	times := timing.For(c.CallTimeout)
	times.CodeMinute = failpoint.Minute
	if c.times != nil {
		times = *c.times
	}
	scripts := redisscript.NewPipelinedClient(c.Redis)
	j := &journal.Journal{Redis: c.Redis, Scripts: scripts, Keys: c.Keys, Times: times, Durability: c.Durability, Payments: c.Payments}
	// A task in asynq's queue is accepted already, so the high-water mark is not for it.
	producer := tasks.NewProducer(c.Redis, c.Keys).WithDurability(c.Durability).WithHighWater(0).
		OnFailedWake(func() { c.Observer.Observe(event.RedisFailed{Op: "wake"}) })
	w := &Worker{config: c, asynqLog: asynqhook.Logger(c.Logger), dequeueFails: timing.DequeueFails, stop: make(chan struct{})}
	own := merchants.New(merchants.Config{Redis: scripts, Keys: c.Keys, HTTP: c.HTTP, CallTimeout: times.Call, Verify: c.Verify,
		Concurrency: c.Concurrency, Observer: c.Observer, Logger: c.Logger, Windows: c.windows}, c.Merchants)
	refused := seldom.New(func(n int, attrs ...any) { c.Logger.Warn("tasks were refused", append(attrs, "tasks", n)...) })
	w.handler = &handler{producer: producer, pool: pool.New(c.Concurrency, w.stop), Handler: &attempt.Handler{
		Journal: j, Times: times, Merchants: own, Fleet: fleet.New(j, func() map[string]journal.Quota { return own.Load().Quotas }),
		Lost: c.LostResponse, UniqueNumbers: c.UniqueNumbers, GoodsName: c.GoodsName, NotifyURL: c.NotifyURL,
		Observer: c.Observer, Log: c.Logger, Refused: refused, Timer: roundtimer.New(), Stop: w.stop}}
	w.dispatcher = newDispatcher(w.handler)
	s := streams.Config{Redis: c.Redis, Blocking: c.Blocking, Keys: c.Keys, ResultsKeep: c.ResultsKeep, HighWater: c.HighWater,
		Observer: c.Observer, Logger: c.Logger}
	w.cancels = streams.NewCancels(s, cancelBy(inspect.New(c.Redis, c.Keys).Observed(c.Observer)))
	w.intake = streams.NewIntake(s, producer.WithHighWater(c.HighWater))
	w.trimmers = []*streams.Trimmer{streams.NewTrimmer(s, c.Keys.Results())}
	if c.Payments {
		w.trimmers = append(w.trimmers, streams.NewTrimmer(s, c.Keys.Payments()))
		w.follower = w.newFollower()
		w.handler.Payments = w.follower.Book
	}
	var queues []string
	for _, lane := range tasks.Lanes() {
		queues = append(queues, c.Keys.Queue(lane))
	}
	redisbound.Install(c.Blocking)
	w.prefetchers = asynqhook.Install(c.Queue, c.Blocking, w.stop, c.Concurrency,
		func() { c.Observer.Observe(event.RedisFailed{Op: "dequeue"}) }, w.handler.refuse, queues...)
	for _, lane := range tasks.Lanes() {
		w.servers = append(w.servers, asynq.NewServerFromRedisClient(c.Queue, w.serverConfig(lane)))
	}
	return w, nil
}

// serverConfig is the configuration of one lane's server. Each lane has a server of its own: a
// server with one queue asks Redis once for a task, and the backlog of one lane cannot hold up
// the other.
func (w *Worker) serverConfig(lane tasks.Lane) asynq.Config {
	return asynq.Config{
		Concurrency:              w.config.Concurrency,
		Queues:                   map[string]int{w.config.Keys.Queue(lane): 1},
		TaskCheckInterval:        timing.TaskCheck,
		DelayedTaskCheckInterval: timing.ForwarderInterval,
		ShutdownTimeout:          w.config.ShutdownTimeout,
		RetryDelayFunc:           retryDelay,
		// The policy decides how an order ends, never asynq's retry counter.
		IsFailure: func(error) bool { return false },
		Logger:    w.asynqLog,
		LogLevel:  asynq.WarnLevel,
	}
}

// retryDelay is for runs that failed because Redis did. asynq rounds to whole seconds.
func retryDelay(int, error, *asynq.Task) time.Duration {
	return timing.RunAgain + time.Duration(rand.N(3))*time.Second
}

// Run takes orders until ctx ends, then finishes those in flight, within the shutdown timeout.
// Other workers finish the rest. An idle worker ends at once, even when Redis does not answer:
// see [Worker.Close].
func (w *Worker) Run(ctx context.Context) error {
	defer w.stopTaking()
	for i, server := range w.servers {
		if err := server.Start(w.prefetchers[i].CountRunning(w.handler.lane(tasks.Lanes()[i]))); err != nil {
			w.stopTaking()
			w.shutdown(w.servers[:i])
			return fmt.Errorf("worker: %w", err)
		}
	}
	var loops sync.WaitGroup
	loops.Go(func() { w.dispatcher.run(ctx) })
	loops.Go(func() { w.handler.Fleet.Watch(ctx, w.config.Observer, w.config.Logger) })
	for _, t := range w.trimmers {
		loops.Go(func() { t.Run(ctx) })
	}
	if w.follower != nil {
		loops.Go(func() { w.follower.Run(ctx) })
	}
	loops.Go(func() { w.handler.CloseOrders(ctx) })
	loops.Go(func() { w.cancels.Run(ctx) })
	loops.Go(func() { w.intake.Run(ctx) })
	w.config.Logger.Info("taking orders", "merchants", len(w.handler.Merchants.Load().ByName), "concurrency", w.config.Concurrency)

	<-ctx.Done()
	w.config.Logger.Info("shutting down; finishing the orders in flight", "timeout", w.config.ShutdownTimeout.String())
	w.stopTaking()
	ended := make(chan struct{})
	w.running.Go(func() {
		defer close(ended)
		loops.Wait()
		w.shutdown(w.servers)
	})
	w.await(ended)
	w.config.Logger.Info("shut down")
	return nil
}

// stopTaking ends every wait for new orders.
func (w *Worker) stopTaking() {
	if !wait.Closed(w.stop) {
		close(w.stop)
		w.config.Blocking.Close() // its error is that of a connection which is not needed any more
	}
}

// await waits until everything has ended. Once no order is in flight and no request is being
// accepted, it waits only a moment for the last commands to Redis: all that they would clear
// away expires by itself.
func (w *Worker) await(ended <-chan struct{}) {
	if !w.handler.pool.Close(ended) {
		return
	}
	select {
	case <-w.intake.Ended:
	case <-ended:
	}
	moment := time.NewTimer(timing.LastCommands)
	defer moment.Stop()
	select {
	case <-ended:
	case <-moment.C:
		w.config.Logger.Warn("leaving before Redis has answered the last commands")
	}
}

// shutdown stops servers, all at once, each within the shutdown timeout.
func (w *Worker) shutdown(servers []*asynq.Server) {
	var all sync.WaitGroup
	all.Go(func() { w.dispatcher.shutDown(w.config.ShutdownTimeout) })
	for i, server := range servers {
		all.Go(func() {
			w.prefetchers[i].Drain()
			server.Stop()
			server.Shutdown()
		})
	}
	all.Wait()
}

// Close waits until nothing of the worker runs any more, including its last commands to a Redis
// that does not answer, and closes the clients Queue and Blocking. If they were closed earlier,
// asynq would panic. A process that exits does not need Close.
func (w *Worker) Close() {
	w.running.Wait()
	w.config.Queue.Close()
	w.config.Blocking.Close()
}

// Ready returns why no order would be taken now, or nil.
func (w *Worker) Ready(ctx context.Context) error {
	if wait.Closed(w.stop) {
		return errors.New("shutting down")
	}
	if err := w.config.Redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("Redis does not answer: %w", err)
	}
	for i, lane := range tasks.Lanes() {
		if since, err := w.prefetchers[i].Failing(); since >= w.dequeueFails {
			return fmt.Errorf("no task could be taken from the queue %s for %s: %w",
				w.config.Keys.Queue(lane), since.Round(time.Second), err)
		}
	}
	return nil
}

// SetMerchants replaces the merchants, all of them at once, before the worker runs or while it
// does. Use it for keys that change, and for merchants that come and go.
//
// Orders in flight are finished with the credentials that they were begun with. A merchant that
// is the same keeps everything. One with other credentials is no longer held, and its orders
// that waited for that go on within half a minute. Orders of a merchant that is gone are left to
// workers that have it; without one they wait, as those of any unknown merchant do.
//
// The error lists everything that is wrong with the merchants, in the words of [New]; the old
// merchants then stay in force.
func (w *Worker) SetMerchants(all []Merchant) error { return w.handler.Merchants.Change(all) }

// cancelBy returns what the cancel stream's reader does with a request.
func cancelBy(i *inspect.Inspector) streams.Cancel {
	return func(ctx context.Context, id string) (refused, err error) {
		if _, err = i.Cancel(ctx, id); inspect.IsNotCancelled(err) {
			return err, nil
		}
		return nil, err
	}
}
