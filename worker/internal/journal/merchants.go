package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// mostUnknown is how many unknown merchants are kept at most: producers may make up any number of names.
const mostUnknown = 1000

// Quota is what QFPay allows an app_code, over all merchants that have it. A limit of 0 is none.
type Quota struct {
	AppCode   string
	PerSecond int
	PerMinute int
}

// text is the quota as Redis has it.
func (q Quota) text() string { return fmt.Sprintf("%d %d %s", q.PerSecond, q.PerMinute, q.AppCode) }

// ParseQuota reads a quota as Redis has it, and reports whether it is one.
func ParseQuota(text string) (q Quota, ok bool) {
	words := strings.SplitN(text, " ", 3)
	if len(words) != 3 {
		return q, false
	}
	second, err := strconv.Atoi(words[0])
	minute, err2 := strconv.Atoi(words[1])
	return Quota{AppCode: words[2], PerSecond: second, PerMinute: minute}, err == nil && err2 == nil && second >= 0 && minute >= 0
}

// TellMerchants tells all processes which merchants this one has, with their quotas, which it no longer
// has, and which merchants it has met an order of although no running worker has them. It returns the
// merchants that running workers have, this one included, and what a person has paused: each a merchant, or
// merchant:pay_type.
func (j *Journal) TellMerchants(ctx context.Context, has map[string]Quota, gone, unknown []string) (running, paused []string, err error) {
	args := []any{timing.MerchantTold.Milliseconds(), timing.MerchantUnknown.Milliseconds(), mostUnknown, len(has), len(gone)}
	own := slices.Sorted(maps.Keys(has))
	for _, names := range [][]string{own, gone, unknown} {
		for _, name := range names {
			args = append(args, name)
		}
	}
	for _, name := range own {
		args = append(args, has[name].text())
	}
	keys := []string{j.Keys.Merchants(), j.Keys.UnknownMerchants(), j.Keys.Paused(), j.Keys.Quotas()}
	answer, err := merchantsScript.Run(ctx, j.Redis, keys, args...).Slice()
	if err == nil && len(answer) != 2 {
		err = fmt.Errorf("unexpected answer %v", answer)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("journal: merchants: %w", err)
	}
	return redisscript.Texts(list(answer[0])), redisscript.Texts(list(answer[1])), nil
}
