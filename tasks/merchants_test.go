package tasks

import (
	"context"
	"slices"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestWithoutWorker_NamesWhatNoRunningWorkerHas(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	without := func(want ...string) {
		t.Helper()
		got, err := p.WithoutWorker(t.Context(), "shop-x", "shop", "shop-y", "shop-x")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	without() // no worker runs
	rdb.HSet(t.Context(), keys.Merchants(), "shop", "1")
	without("shop-x", "shop-y")
	rdb.HSet(t.Context(), keys.Merchants(), "shop-x", "1", "shop-y", "1")
	without()
	if got, err := p.WithoutWorker(t.Context()); got != nil || err != nil {
		t.Errorf("of none: %q, %v", got, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if got, err := p.WithoutWorker(ended, "shop"); got != nil || err == nil {
		t.Errorf("without Redis: %q, %v", got, err)
	}
}
