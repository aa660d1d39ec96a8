package worker

import pause "github.com/qfpay-worker/qfpay-worker/worker/internal/wait"

// Short names, since a step of the policy is called wait.
var (
	sleep    = pause.Sleep
	isClosed = pause.Closed
	spread   = pause.Jitter
)
