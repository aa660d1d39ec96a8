package fleet

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// A pause that somebody forgot: the log says it once, and when it is over.
func TestPause_OfAQueueIsLoggedWhenItBeginsAndEnds(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	inspector := asynq.NewInspectorFromRedisClient(f.journal.Redis)
	var log bytes.Buffer
	w := newWatch(f, nil, slog.New(slog.NewTextHandler(&log, nil)))
	lines := func(want int, text string) {
		t.Helper()
		for range 2 {
			w.pauses(t.Context())
		}
		if all := strings.TrimSpace(log.String()); strings.Count(all, "msg=") != want || !strings.Contains(all, text) {
			t.Errorf("logged, want %d lines and %q:\n%s", want, text, all)
		}
	}
	lines(0, "")
	redistest.OK(t, inspector.PauseQueue(f.journal.Keys.Queue(tasks.Bulk)))
	lines(1, `msg="a queue is paused: no worker takes orders from it" queue=qfpay:bulk`)
	redistest.OK(t, inspector.UnpauseQueue(f.journal.Keys.Queue(tasks.Bulk)))
	lines(2, `msg="a queue is no longer paused" queue=qfpay:bulk`)
}
