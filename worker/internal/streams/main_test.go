package streams

import (
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would report every connection a test cuts
	goleak.VerifyTestMain(m, redistest.Dialing)
}

var ok = redistest.OK
