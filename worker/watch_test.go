package worker

import (
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// A pause that somebody forgot: the log says it once, and when it is over.
func TestPause_OfAQueueIsLoggedWhenItBeginsAndEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	inspector := asynq.NewInspectorFromRedisClient(r.rdb)
	w := &watch{rdb: r.rdb, keys: r.keys, log: r.config.Logger, paused: map[tasks.Lane]bool{}}
	lines := func(want int, text string) {
		t.Helper()
		for range 2 {
			w.pauses(t.Context())
		}
		if all := strings.TrimSpace(r.log.String()); strings.Count(all, "msg=") != want || !strings.Contains(all, text) {
			t.Errorf("logged, want %d lines and %q:\n%s", want, text, all)
		}
	}
	lines(0, "")
	ok(t, inspector.PauseQueue(r.keys.Queue(tasks.Bulk)))
	lines(1, `msg="a queue is paused: no worker takes orders from it" queue=qfpay:bulk`)
	ok(t, inspector.UnpauseQueue(r.keys.Queue(tasks.Bulk)))
	lines(2, `msg="a queue is no longer paused" queue=qfpay:bulk`)
}
