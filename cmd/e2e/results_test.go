package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// follower is a `qfpay-worker results --follow`.
type follower struct{ *process }

func follow(t *testing.T, redis *redistest.Server) follower {
	t.Helper()
	return follower{start(t, []string{"REDIS_URL=" + redis.URL}, "qfpay-worker", "results", "--follow", "--format", "json")}
}

// await waits until n results have been printed.
func (f follower) await(t *testing.T, n int, within time.Duration) {
	t.Helper()
	f.process.await(t, f.out, "as many results as there are orders", within, func(text string) bool {
		return strings.Count(text, "\n") >= n
	})
}

// results reads the whole stream.
func results(t *testing.T, redis *redistest.Server) []tasks.Result {
	t.Helper()
	p := start(t, []string{"REDIS_URL=" + redis.URL}, "qfpay-worker", "results", "--format", "json")
	if code := p.wait(t); code != 0 {
		t.Fatalf("results: ended with %d", code)
	}
	return decode[tasks.Result](t, p.out.text())
}
