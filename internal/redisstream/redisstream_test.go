package redisstream

import (
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestCompare_BothNumbersCount(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"1-0", "1-0", 0}, {"9-0", "10-0", -1}, {"10-9", "10-10", -1}, {"2-0", "1-99", 1}, {"1", "1-0", 0},
	} {
		if got := Compare(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestTime_IsTheFirstNumberOfTheID(t *testing.T) {
	at := time.UnixMilli(1_772_424_000_123)
	if got := FirstID(at); got != "1772424000123-0" || !Time(got).Equal(at) || !Time("1772424000123-7").Equal(at) {
		t.Errorf("%s, %s", got, Time(got))
	}
}

// The demo has a miniredis, which must answer like a Redis.
func TestProgress_OfEveryGroup(t *testing.T) {
	t.Parallel()
	mini := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { mini.Close() })
	for name, rdb := range map[string]*redis.Client{"redis": redistest.Start(t).Client(t), "miniredis": mini} {
		ctx := t.Context()
		if p, err := ReadProgress(ctx, rdb, "s"); err != nil || p.Length != 0 || len(p.Groups) != 0 || p.Now.IsZero() {
			t.Errorf("%s, no stream: %+v, %v", name, p, err)
		}
		for i := range 4 {
			rdb.XAdd(ctx, &redis.XAddArgs{Stream: "s", ID: fmt.Sprint(i+1, "000-0"), Values: []any{"v", i}})
		}
		for group, from := range map[string]string{"a done": "4000-0", "b sleeps": "0", "c hangs": "0"} {
			rdb.XGroupCreate(ctx, "s", group, from)
		}
		read := &redis.XReadGroupArgs{Group: "c hangs", Consumer: "c", Streams: []string{"s", ">"}, Count: 3}
		if err := rdb.XReadGroup(ctx, read).Err(); err != nil {
			t.Fatal(name, err)
		}
		rdb.XAck(ctx, "s", "c hangs", "1000-0")

		p, err := ReadProgress(ctx, rdb, "s")
		oldest := map[string]string{}
		for _, g := range p.Groups {
			oldest[g.Name] = g.Oldest
			if age := g.Age(p.Now); g.Oldest != "" && age != p.Now.Sub(Time(g.Oldest)) || g.Oldest == "" && age != 0 {
				t.Errorf("%s, %s: age %s", name, g.Name, age)
			}
		}
		want := map[string]string{"a done": "", "b sleeps": "1000-0", "c hangs": "2000-0"}
		if diff := cmp.Diff(want, oldest); diff != "" || p.Length != 4 || err != nil {
			t.Errorf("%s: %d entries, %v (-want +got):\n%s", name, p.Length, err, diff)
		}
	}
}

func TestProgress_AGroupThatWasSetBackHasItsOldestUnreadEntry(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx := t.Context()
	for i := range 3 {
		rdb.XAdd(ctx, &redis.XAddArgs{Stream: "s", ID: fmt.Sprint(i+1, "-0"), Values: []any{"v", i}})
	}
	rdb.XGroupCreate(ctx, "s", "g", "1-0")
	rdb.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"s", ">"}, Count: 2})
	rdb.XGroupSetID(ctx, "s", "g", "0")
	p, err := ReadProgress(ctx, rdb, "s")
	if err != nil || len(p.Groups) != 1 || p.Groups[0].Oldest != "1-0" {
		t.Errorf("%+v, %v", p, err)
	}
}
