package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Closing is an order with a published QR code that a process is to close at QFPay.
type Closing struct {
	Claim   // Token is that of the closing; the order itself has no lease
	AskedAt time.Time
	Tries   int // attempts before this one
}

// ClosingDue hands out orders of these merchants that are to be closed, n at most. When this process
// ends, another one is handed them after the lease of an attempt.
func (j *Journal) ClosingDue(ctx context.Context, n int, merchants []string) ([]Closing, error) {
	token := rand.Text()
	args := []any{j.Keys.Order(""), j.Times.Lease.Milliseconds() + timing.SettleTimeout.Milliseconds(), token, n}
	for _, m := range merchants {
		args = append(args, m)
	}
	answer, err := closingDueScript.Run(ctx, j.Scripts, []string{j.Keys.Closing()}, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("journal: closing_due: %w", err)
	}
	var all []Closing
	var damaged error
	for _, row := range answer {
		words := redisscript.Texts(list(row))
		if len(words) != 9 {
			return nil, fmt.Errorf("journal: closing_due: unexpected answer %q", words)
		}
		c := Closing{Claim: Claim{ID: words[0], Token: token, State: policy.StateSent, Order: []byte(words[2])}}
		var bad error
		number := func(text string) int64 {
			var n int64
			if text != "" {
				_, err := fmt.Sscanf(text, "%d", &n)
				bad = errors.Join(bad, err)
			}
			return n
		}
		c.ClaimedAt, c.Reissues = time.UnixMilli(number(words[1])), int(number(words[3]))
		c.AcceptedAt, c.FirstSentAt = time.UnixMilli(number(words[4])), time.UnixMilli(number(words[5]))
		c.AskedAt, c.Tries = time.UnixMilli(number(words[6])), int(number(words[7]))
		c.SentAt = time.UnixMilli(number(words[8]))
		if bad != nil {
			damaged = errors.Join(damaged, c.Damaged(bad.Error()))
			continue
		}
		all = append(all, c)
	}
	return all, damaged
}

// ClosingEnd writes down how an attempt to close an order ended: closed is what became of it, or "" when it is to be
// looked at again after delay. It returns ErrLost when another process has the order.
func (j *Journal) ClosingEnd(ctx context.Context, c *Closing, closed string, delay time.Duration) error {
	answer, err := j.run(ctx, closingEndScript, "closing_end", []string{j.Keys.Order(c.ID), j.Keys.Closing()},
		c.ID, c.Token, closed, delay.Milliseconds())
	if err == nil && answer[0] != "noted" {
		return ErrLost
	}
	return err
}
