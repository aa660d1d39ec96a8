package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// While results are not read, no new orders are accepted, and the answer says who must act. An order
// that is already known is still a duplicate.
func TestOrders_AreNotTakenWhenTheResultStreamIsFull(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Producer = c.Producer.WithHighWater(1) })
	r.post(anOrder("A1"))
	if err := r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: []any{"x", "y"}}).Err(); err != nil {
		t.Fatal(err)
	}
	want := (&tasks.HighWaterError{Length: "1"}).Error()
	got := r.post(anOrder("A2"))
	if p := into[problem](t, got.body); got.status != http.StatusServiceUnavailable || !strings.HasPrefix(p.Detail, want) ||
		got.header.Get("Retry-After") == "" {
		t.Errorf("one order: %d %+v", got.status, p)
	}
	if lines := r.lines(strings.NewReader(anOrder("A3"))).body; !strings.Contains(lines, "no new orders are accepted") {
		t.Errorf("many orders: %s", lines)
	}
	if again := r.post(anOrder("A1")); again.status != http.StatusAccepted {
		t.Errorf("a duplicate: %d %s", again.status, again.body)
	}
}
