package journal

import (
	"context"
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// mostUnknown is how many unknown merchants are kept at most: producers may make up any number of names.
const mostUnknown = 1000

// TellMerchants tells all processes which merchants this one has, which it no longer has, and which
// merchants it has met an order of although no running worker has them. It returns the merchants that
// running workers have, this one included, and what a person has paused: each a merchant, or
// merchant:pay_type.
func (j *Journal) TellMerchants(ctx context.Context, has, gone, unknown []string) (running, paused []string, err error) {
	args := []any{timing.MerchantTold.Milliseconds(), timing.MerchantUnknown.Milliseconds(), mostUnknown, len(has), len(gone)}
	for _, names := range [][]string{has, gone, unknown} {
		for _, name := range names {
			args = append(args, name)
		}
	}
	answer, err := merchantsScript.Run(ctx, j.Redis, []string{j.Keys.Merchants(), j.Keys.UnknownMerchants(), j.Keys.Paused()}, args...).Slice()
	if err == nil && len(answer) != 2 {
		err = fmt.Errorf("unexpected answer %v", answer)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("journal: merchants: %w", err)
	}
	return redisscript.Texts(list(answer[0])), redisscript.Texts(list(answer[1])), nil
}
