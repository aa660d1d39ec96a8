package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// clockBatch is how many orders one script moves: Redis does nothing else meanwhile.
const clockBatch = 1000

// MendClock sees whether Redis's clock went back since any process called it last, and if so, brings
// orders and wait queues forward that would be due too late by as much. It returns by how much the
// clock went back, to one process for each time: 0 as a rule. An error leaves the rest to a further
// call.
func (j *Journal) MendClock(ctx context.Context) (time.Duration, error) {
	var back time.Duration
	for {
		answer, err := clockScript.Run(ctx, j.Redis, []string{j.Keys.Clock(), j.Keys.Due(), j.Keys.Waiting()},
			timing.ClockSlack.Milliseconds(), clockBatch).Int64Slice()
		if err == nil && len(answer) != 2 {
			err = fmt.Errorf("unexpected answer %v", answer)
		}
		if err != nil {
			return back, fmt.Errorf("journal: clock: %w", err)
		}
		back += time.Duration(answer[0]) * time.Millisecond
		if answer[1] == 0 {
			return back, nil
		}
	}
}
