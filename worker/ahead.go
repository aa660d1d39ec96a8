package worker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// ahead is an intent that was written in one round trip with the claim, before it was known
// that a create would leave. It has to be taken back if none does.
type ahead struct {
	possible bool      // it may be in the journal
	at       time.Time // when it was asked for, if it is there for certain
}

// stands tells whether the create may leave without another look at the journal. The lease
// that the claim has brought is that much longer than an attempt; a process that was stopped
// meanwhile has to ask again.
func (a ahead) stands() bool { return !a.at.IsZero() && time.Since(a.at) < margin }

// claimAhead is claim, and for an order under its first number, of which nothing was sent, intent
// as well. The token must be new. Under the profile strict, where an intent has to be confirmed, it is claim alone.
func (j *journal) claimAhead(ctx context.Context, id, token string) (claim, error) {
	if j.durability == tasks.Strict {
		return j.claim(ctx, id, token)
	}
	asked := time.Now()
	keys, args := j.claimCall(id, token)
	claiming := evalSha(ctx, claimScript.Hash(), keys, args...)
	keys, args = j.intentCall(&claim{id: id, token: token})
	answers := j.scripts.all(ctx, claiming, evalSha(ctx, intentScript.Hash(), keys, args...))
	for _, answer := range answers {
		if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
			return j.claim(ctx, id, token) // if that was the intent, its own time comes
		}
	}
	c, err := claimed(id, token, answers[0])
	if err != nil || c.status != claimOurs {
		return c, err
	}
	switch answer, err := answers[1].Slice(); {
	case err != nil || len(answer) == 0:
		c.ahead = ahead{possible: true}
	case answer[0] == "sent":
		c.ahead = ahead{possible: true, at: asked}
		// Both may have been sent again after their answer was lost; the claim has found
		// this intent then.
		c.state, c.sends, c.firstSentAt, c.sentAt = stateNew, 0, time.Time{}, time.Time{}
	}
	return c, nil
}

// takeBack takes an intent back that was written with the claim, if no create has followed.
func (j *journal) takeBack(ctx context.Context, c *claim) error {
	if !c.ahead.possible {
		return nil
	}
	return j.retract(ctx, c)
}
