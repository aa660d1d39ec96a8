package simulator

import (
	"strconv"
	"testing"
)

// BenchmarkCreate is how fast orders can be made in process, signature included.
func BenchmarkCreate(b *testing.B) {
	g := New(Config{PerSecond: NoLimit, PerMinute: NoLimit})
	for i := 0; b.Loop(); i++ {
		call(b, g, "payment", order(strconv.Itoa(i)))
	}
}
