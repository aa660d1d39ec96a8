package metrics

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A Redis client may ignore its context. The scrape still ends in time, and no second read
// starts while the first one hangs.
func TestQueues_AScrapeDoesNotWaitForASilentRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, _ := newMetrics(t)
		silent := make(chan struct{})
		var readings atomic.Int32
		q := m.queues(func(context.Context) (backlog, error) {
			readings.Add(1)
			<-silent
			return someBacklog, nil
		}, 2*time.Second)

		for range 2 {
			began := time.Now()
			if n := testutil.CollectAndCount(q); n != 0 {
				t.Errorf("%d series from a silent Redis", n)
			}
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("the scrape took %s", took)
			}
		}
		if readings.Load() != 1 {
			t.Errorf("%d reads were started", readings.Load())
		}
		if got := testutil.ToFloat64(q.failed); got != 2 {
			t.Errorf("%v failures counted", got)
		}

		close(silent)
		synctest.Wait()
		if n := testutil.CollectAndCount(q); n != 2*7+8+2+2+2+6+3 {
			t.Errorf("%d series after Redis answers again", n)
		}
	})
}

func TestQueues_AReadingThatFailsShowsNoNumbers(t *testing.T) {
	m, _ := newMetrics(t)
	q := m.queues(func(context.Context) (backlog, error) {
		return someBacklog, errors.New("WRONGTYPE") // a partial answer counts as none
	}, time.Second)
	if n := testutil.CollectAndCount(q); n != 0 {
		t.Errorf("%d series of a failed read", n)
	}
	if got := testutil.ToFloat64(q.failed); got != 1 {
		t.Errorf("%v failures counted", got)
	}
}
