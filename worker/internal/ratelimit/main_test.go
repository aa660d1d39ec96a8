package ratelimit

import (
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

var ok = redistest.OK
