package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

func TestTrim_GoesByAgeAloneWithoutGroups(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	_, err := r.rdb.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		for i := range 1500 {
			day := 8
			if i >= 1000 {
				day = 6
			}
			at := time.Now().Add(-time.Duration(day) * 24 * time.Hour).UnixMilli()
			pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: r.keys.Results(), ID: fmt.Sprintf("%d-%d", at, i+1), Values: []any{"id", i}})
		}
		return nil
	})
	ok(t, err)
	r.start()
	r.eventually("what is older than seven days is removed", func() bool { return r.published() < 600 })
	if n := r.published(); n < 500 {
		t.Errorf("%d are left of the 500 that are younger", n)
	}
}
