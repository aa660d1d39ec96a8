package journal

import (
	"context"
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// mostUnknown is how many unknown merchants are kept at most: producers may make up any number of names.
const mostUnknown = 1000

// TellMerchants tells all processes which merchants this one has, which it no longer has, and which
// merchants it has met an order of although no running worker has them. It returns the merchants that
// running workers have, this one included.
func (j *Journal) TellMerchants(ctx context.Context, has, gone, unknown []string) ([]string, error) {
	args := []any{timing.MerchantTold.Milliseconds(), timing.MerchantUnknown.Milliseconds(), mostUnknown, len(has), len(gone)}
	for _, names := range [][]string{has, gone, unknown} {
		for _, name := range names {
			args = append(args, name)
		}
	}
	running, err := merchantsScript.Run(ctx, j.Redis, []string{j.Keys.Merchants(), j.Keys.UnknownMerchants()}, args...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("journal: merchants: %w", err)
	}
	return running, nil
}
