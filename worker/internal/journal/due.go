package journal

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Room is how many more orders of each lane a process may have in flight.
type Room map[tasks.Lane]int

// Due is what a call of ClaimDue has found.
type Due struct {
	Claims  []DueClaim
	Damaged []*DamagedError // orders that were due and that no attempt can claim
	Waiting []string        // app_codes whose wait queues are due, as many as there is room left
	Next    time.Duration   // until the next order or wait queue is due; negative: there is none
}

// DueClaim is the claim of an order that was due.
type DueClaim struct {
	Claim
	Lane tasks.Lane
}

// lookedAt is how many due orders one call of ClaimDue looks at, where the first ones are of a
// lane without room.
const lookedAt = 1000

// ClaimDue leases due orders to attempts of this process, as many as it has room for. Damaged
// orders are due again after a long pause. It leaves orders of some merchants to other processes. When the answer is lost, the leased orders are due
// at the end of their leases.
func (j *Journal) ClaimDue(ctx context.Context, room Room, leave ...string) (Due, error) {
	token := rand.Text()
	args := []any{j.Keys.Order(""), j.Times.Lease.Milliseconds(), token, room[tasks.Interactive], room[tasks.Bulk], lookedAt,
		timing.DamagedAgain.Milliseconds(), timing.WaitingAgain.Milliseconds()}
	for _, merchant := range leave {
		args = append(args, merchant)
	}
	answer, err := claimDueScript.Run(ctx, j.Scripts, []string{j.Keys.Due(), j.Keys.Waiting()}, args...).Slice()
	if err != nil {
		return Due{}, fmt.Errorf("journal: claim_due: %w", err)
	}
	d, err := readDue(answer, token)
	if err != nil {
		return Due{}, fmt.Errorf("journal: claim_due: unexpected answer: %w", err)
	}
	return d, nil
}

// passedBatch is how many orders one script forgets: Redis does nothing else meanwhile.
const passedBatch = 1000

// ForgetPassed takes the orders whose not_before is over out of the set in which those are counted
// that are scheduled.
func (j *Journal) ForgetPassed(ctx context.Context) error {
	for {
		n, err := passedScript.Run(ctx, j.Redis, []string{j.Keys.Scheduled()}, passedBatch).Int()
		if err != nil {
			return fmt.Errorf("journal: passed: %w", err)
		}
		if n < passedBatch {
			return nil
		}
	}
}

// readDue reads the answer of claim_due.lua.
func readDue(answer []any, token string) (d Due, err error) {
	if len(answer) != 4 {
		return d, fmt.Errorf("%d elements", len(answer))
	}
	next, _ := answer[0].(int64)
	d.Next = time.Duration(next) * time.Millisecond
	d.Waiting = redisscript.Texts(list(answer[1]))
	for _, row := range list(answer[2]) {
		fields := list(row)
		if len(fields) != 3 {
			return d, fmt.Errorf("a claim of %d elements", len(fields))
		}
		words := redisscript.Texts(fields[:2])
		c := DueClaim{Claim: Claim{ID: words[0], Token: token + ":" + words[0]}, Lane: tasks.Lane(words[1])}
		if err := c.read(redisscript.Texts(list(fields[2]))); err != nil {
			return d, err
		}
		d.Claims = append(d.Claims, c)
	}
	for _, row := range list(answer[3]) {
		if words := redisscript.Texts(list(row)); len(words) == 2 {
			d.Damaged = append(d.Damaged, &DamagedError{ID: words[0], Problem: damage(words[1])})
		}
	}
	return d, nil
}

// list returns the elements of an array in an answer, and nil for anything else.
func list(answer any) []any {
	elements, _ := answer.([]any)
	return elements
}
