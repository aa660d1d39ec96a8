package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// TestPoisonTask_IsSetAside: every client of Redis can put anything into the queue. A task that is
// not an order is moved to the stream of rejected entries, with the reason. An order from a producer
// that uses only asynq is processed.
func TestPoisonTask_IsSetAside(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	gateway := startGateway(t)
	startWorker(t, settings(redis, gateway, rightKey))
	rdb := redis.Client(t)
	poison := []string{"\x80\x02]q\x00.", `{"hello":"world"}`, `["A1"]`}
	putByHand(t, rdb, append(poison,
		`{"out_trade_no":"PLAIN-1","pay_type":"800201","txamt":100,"txcurrcd":"HKD"}`)...)

	follow(t, redis).await(t, 1, patience)
	eventually(t, "what is no order is set aside", patience, func() bool {
		return rdb.XLen(t.Context(), "{qfpay}:requests:rejected").Val() >= int64(len(poison))
	})
	checkSetAside(t, rdb, poison)
	eventually(t, "the queue is empty, and nothing is to be tried again", patience, func() bool {
		queue := queueInfo(t, rdb)
		return queue.Size == queue.Archived // the archive has its own check
	})
	if n := queueInfo(t, rdb).Archived; n != 0 {
		t.Errorf("%d tasks are in asynq's archive, where nobody would see them", n)
	}
	checkBooks(t, []wanted{{"PLAIN-1", "800201", "100", "HKD"}}, results(t, redis), gateway.orders(t))
}

// putByHand enqueues payloads with asynq only.
func putByHand(t *testing.T, rdb *redis.Client, payloads ...string) {
	t.Helper()
	client := asynq.NewClientFromRedisClient(rdb)
	for _, payload := range payloads {
		task := asynq.NewTask("qfpay:mpm:create", []byte(payload))
		if _, err := client.EnqueueContext(t.Context(), task, asynq.Queue("qfpay:bulk"), asynq.Timeout(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
}

// checkSetAside compares the stream of rejected entries.
func checkSetAside(t *testing.T, rdb *redis.Client, poison []string) {
	t.Helper()
	entries, err := rdb.XRange(t.Context(), "{qfpay}:requests:rejected", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	payloads := map[any]int{}
	for _, e := range entries {
		payloads[e.Values["order"]]++
		if reason, _ := e.Values["reason"].(string); strings.TrimSpace(reason) == "" {
			t.Errorf("set aside without a reason: %v", e.Values)
		}
	}
	for _, p := range poison {
		if payloads[p] != 1 {
			t.Errorf("%q was set aside %d times, want once", p, payloads[p])
		}
	}
}

func queueInfo(t *testing.T, rdb *redis.Client) *asynq.QueueInfo {
	t.Helper()
	info, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo("qfpay:bulk")
	if err != nil {
		t.Fatal(err)
	}
	return info
}
