package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// When a worker is killed while it reads requests, some are delivered only to it. Another worker
// takes them over: each becomes one order, and none is left on the stream.
func TestTakeover_RequestsOfAKilledWorkerAreTakenIn(t *testing.T) {
	t.Parallel()
	const requests = 4000
	redisServer := redistest.StartTCP(t)
	rdb, keys := redisServer.Client(t), tasks.Keys{Prefix: tasks.DefaultPrefix}
	config := settings(redisServer, startGateway(t), rightKey)
	// The group exists before the worker, so that its pending entries are visible.
	if err := rdb.XGroupCreateMkStream(t.Context(), keys.Requests(), "workers", "0").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := rdb.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		for i := range requests {
			pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Requests(),
				Values: []any{"out_trade_no", fmt.Sprint("REQ-", i), "pay_type", "801501", "txamt", 100 + i, "txcurrcd", "HKD"}})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	killed := start(t, config, "qfpay-worker", "run")
	pending := func() int64 { return rdb.XPending(t.Context(), keys.Requests(), "workers").Val().Count }
	eventually(t, "a worker was given requests", patience, func() bool { return pending() > 0 })
	killed.cmd.Process.Kill()
	<-killed.ended
	t.Logf("killed with %d of %d requests pending, %d on the stream", pending(), requests, rdb.XLen(t.Context(), keys.Requests()).Val())

	startWorker(t, config)
	eventually(t, "every request is taken in", 2*time.Minute, func() bool {
		return pending() == 0 && rdb.XLen(t.Context(), keys.Requests()).Val() == 0
	})
	orders := len(rdb.Keys(t.Context(), keys.Order("*")).Val())
	if refused := rdb.XLen(t.Context(), keys.Rejected()).Val(); orders != requests || refused != 0 {
		t.Errorf("%d orders of %d requests, %d refused", orders, requests, refused)
	}
}
