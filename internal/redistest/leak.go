package redistest

import "go.uber.org/goleak"

// Dialing is an option for [goleak.VerifyTestMain]. A go-redis client that could not connect
// tries again every second, and notices only then that it was closed: longer than goleak waits.
var Dialing = goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
