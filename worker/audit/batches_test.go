package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Journals of settled orders run out 30 days after their result, and the counters later.
func TestAudit_JournalsThatRanOutAreNotMissing(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name     string
		accepted time.Duration // before now
		counters map[string]string
		counted  tally
		want     string
	}{
		{"all are there", time.Hour, map[string]string{"accepted": "2", "waiting": "1", "created": "1"}, tally{"accepted": 2, "waiting": 1, "created": 1}, ""},
		{"a young one is missing", time.Hour, map[string]string{"accepted": "2", "waiting": "1", "created": "1"}, tally{"accepted": 1, "waiting": 1},
			"accepted is 2, and of its orders 1; created is 1, and of its orders 0"},
		{"an old one has run out", timing.Retention + time.Hour, map[string]string{"accepted": "2", "waiting": "1", "created": "1"}, tally{"accepted": 1, "waiting": 1}, ""},
		{"one that waits does not", timing.Retention + time.Hour, map[string]string{"accepted": "2", "waiting": "2", "created": "0"}, tally{"accepted": 1, "waiting": 1},
			"waiting is 2, and of its orders 1"},
		{"more than were counted", timing.Retention + time.Hour, map[string]string{"accepted": "1", "waiting": "1"}, tally{"accepted": 2, "waiting": 1, "created": 1},
			"accepted is 1, and of its orders 2; created is 0, and of its orders 1"},
		{"the counters contradict each other", timing.Retention + time.Hour, map[string]string{"accepted": "3", "waiting": "1", "created": "1"}, tally{"waiting": 1},
			"accepted is 3, and waiting and the outcomes are 2 together"},
	} {
		c.counters["first_accepted_at"] = fmt.Sprint(now.Add(-c.accepted).UnixMilli())
		if got := miscounted(c.counters, c.counted, now); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
