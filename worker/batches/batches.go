// Package batches reads how far a batch is, and forecasts when orders are done, for people. It works
// beside running workers and changes nothing.
//
// Start reading at [Reader.Read], [Backlog.OfNew] and [Forecast].
package batches

import (
	"embed"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var quotasScript = redisscript.Load(luaFiles, "quotas")

// Reader reads batches, and what waits for the quotas. It is safe for use by many goroutines.
type Reader struct {
	rdb  redis.UniversalClient
	keys tasks.Keys
}

// New returns a reader. The keys' prefix must be that of the workers.
func New(rdb redis.UniversalClient, keys tasks.Keys) *Reader { return &Reader{rdb: rdb, keys: keys} }
