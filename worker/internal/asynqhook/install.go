// Package asynqhook is all that the worker knows of how asynq uses Redis: three hooks on the client
// of its servers. One ends asynq's polling, one fetches several tasks at once and sends scripts
// together, one repeats acknowledgements.
//
// The hooks recognize asynq's scripts by their keys, and change nothing in Redis that asynq itself
// would not. They know nothing of orders. If asynq changes its scripts, nothing matches, and asynq
// works as it does without them.
//
// Start reading at [Install].
package asynqhook

import (
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisbound"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

// Install adds the hooks to queue, the client of asynq's servers, and returns a prefetcher for each
// of the queues. blocking must be closed after stop is: closed first, a dequeue that waits
// reports an error. onError is called after each dequeue that failed, refuse for each task that is too
// long to be read.
func Install(queue, blocking redis.UniversalClient, stop <-chan struct{}, concurrency int, onError func(), refuse Refuse, queues ...string) []*Prefetcher {
	all, byList := make([]*Prefetcher, len(queues)), make(map[string]*Prefetcher)
	for i, name := range queues {
		all[i] = &Prefetcher{concurrency: concurrency, stop: stop}
		byList["asynq:{"+name+"}:pending"] = all[i]
	}
	redisbound.Install(queue)
	queue.AddHook(&longHook{rdb: queue, queues: queues, refuse: refuse})
	queue.AddHook(ackHook{})
	queue.AddHook(wakeHook{blocking: blocking, stop: stop, prefetchers: byList, onError: onError})
	queue.AddHook(autopipelineHook{redisscript.NewAutopipeline(queue), byList})
	return all
}
