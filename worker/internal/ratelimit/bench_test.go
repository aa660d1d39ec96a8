package ratelimit

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// A slot within the limits, while the windows are full and while there is room.
func BenchmarkReserve(b *testing.B) {
	for name, perMinute := range map[string]int{"full": 400, "room": 800} {
		b.Run(name, func(b *testing.B) {
			l := testLimiter(redistest.Start(b).Client(b), 0, perMinute)
			for i := range 400 { // over the last 40 s
				at := time.Now().Add(-time.Duration(i) * 100 * time.Millisecond).UnixMicro()
				ok(b, l.Redis.ZAdd(b.Context(), l.keys[0], redis.Z{Score: float64(at), Member: i}).Err())
			}
			b.ReportAllocs()
			for b.Loop() {
				r, _, err := l.Reserve(b.Context(), Interactive, false, "")
				ok(b, err)
				if (r != nil) != (name == "room") {
					b.Fatalf("granted: %t", r != nil)
				}
				if r != nil {
					b.StopTimer()
					r.Cancel(b.Context())
					b.StartTimer()
				}
			}
		})
	}
}
