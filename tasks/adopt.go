package tasks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
)

// Accept writes an order into its journal and wakes nobody: for a worker that has
// its task in hand already. Otherwise it is Enqueue. The order must be valid, with
// its defaults filled in.
func (p *Producer) Accept(ctx context.Context, o Order) (Acceptance, error) {
	var result Accepted
	a, err := acceptanceOf(o, firstLook, &result)
	if err != nil {
		return "", err
	}
	if err := p.accept(ctx, []acceptance{a}, nil); err != nil {
		return "", err
	}
	return result.Acceptance, result.Err
}

// AcceptInvalid writes what a plain asynq producer enqueued into the journal,
// though it is no valid order, so that it gets a result that says so like any
// other. id is what Identify says of it, traceparent that of the task, if it has one.
func (p *Producer) AcceptInvalid(ctx context.Context, id string, payload []byte, traceparent string) error {
	var result Accepted
	sum := sha256.Sum256(payload)
	a := acceptance{id: id, lane: Bulk, fingerprint: hex.EncodeToString(sum[:12]), payload: payload,
		look: firstLook, result: &result}
	a.trace(traceparent)
	if err := p.accept(ctx, []acceptance{a}, nil); err != nil {
		return err
	}
	return result.Err
}

// identity is what an out_trade_no must be for its order to have a journal and a
// result at all, if only one that says what is wrong with it.
var identity = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// Identify returns the ID of an order, valid or not: merchant:out_trade_no. What
// has none cannot be told from others, and so can have no result.
func Identify(merchant, outTradeNo string) (string, error) {
	merchant = cmp.Or(merchant, DefaultMerchant)
	if !merchantName.MatchString(merchant) {
		return "", fmt.Errorf("merchant: must be 1 to 64 letters, digits, _ or -, not %q", shorten(merchant))
	}
	if !identity.MatchString(outTradeNo) {
		return "", fmt.Errorf("out_trade_no: must be 1 to 128 letters, digits, _ or -, not %q", shorten(outTradeNo))
	}
	return merchant + ":" + outTradeNo, nil
}
