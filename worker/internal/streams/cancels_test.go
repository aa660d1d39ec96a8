package streams

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

type silent struct{}

func (silent) Observe(event.Event) {}

// Requests are carried out once and removed; what cannot be goes to the rejected, with the reason; what Redis failed is tried again.
func TestCancels_CarryOutRequests(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	var mu sync.Mutex
	var asked []string
	away := true
	c := NewCancels(Config{Redis: r.rdb, Blocking: r.rdb, Keys: r.keys, Observer: silent{}, Logger: slog.New(slog.DiscardHandler)},
		func(_ context.Context, id string) (refused, err error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, id)
			switch {
			case id == "default:AWAY" && away:
				return nil, errors.New("Redis is away")
			case id == "default:GONE":
				return errors.New("no such order"), nil
			}
			return nil, nil
		})
	for _, fields := range [][]any{{"merchant", "shop", "out_trade_no", "A1"}, {"out_trade_no", "A2"}, {"out_trade_no", "AWAY"}, {"out_trade_no", "GONE"},
		{"merchant", "shop"}, {"out_trade_no", "A3", "reason", "x"}, {"out_trade_no", "A4", "out_trade_no", "A5"}, {"out_trade_no", "a b"}} {
		ok(t, r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: r.keys.Cancel(), Values: fields}).Err())
	}
	c.round(t.Context()) // takes over what others left: nothing
	if n, err := c.round(t.Context()); n != 8 || err == nil {
		t.Fatalf("%d read, %v", n, err)
	}
	if n := r.rdb.XLen(t.Context(), r.keys.Cancel()).Val(); n != 1 {
		t.Errorf("%d are left", n)
	}
	away, c.own = false, true
	_, err := c.round(t.Context())
	ok(t, err)
	slices.Sort(asked)
	if want := []string{"default:A2", "default:AWAY", "default:AWAY", "default:GONE", "shop:A1"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q", asked)
	}
	if left, rejected := r.rdb.XLen(t.Context(), r.keys.Cancel()).Val(), r.rdb.XLen(t.Context(), r.keys.Rejected()).Val(); left != 0 || rejected != 5 {
		t.Errorf("%d are left, %d rejected", left, rejected)
	}
}
