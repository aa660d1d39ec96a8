package metrics

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, redistest.Dialing) }
