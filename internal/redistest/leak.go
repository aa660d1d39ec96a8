package redistest

import (
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

// Dialing is an option for [goleak.VerifyTestMain]. A go-redis client that could not connect
// tries again every second, and notices only then that it was closed: longer than goleak waits.
var Dialing = goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")

// Main runs the tests of a package that cuts connections, and fails when a goroutine is left. go-redis
// would report every connection that is cut.
func Main(m *testing.M) {
	logging.Disable()
	goleak.VerifyTestMain(m, Dialing)
}
