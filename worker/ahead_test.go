package worker

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// ahead claims an order with its intent, and has it be of the age; less than none is an age
// that no slow machine makes too old.
func (d *desk) ahead(token string, age time.Duration) claim {
	d.t.Helper()
	c, err := d.journal.claimAhead(d.t.Context(), d.id, token)
	ok(d.t, err)
	if c.status != claimOurs || c.ahead.at.IsZero() || c.state != stateNew {
		d.t.Fatalf("claimed ahead: %+v", c)
	}
	c.ahead.at = c.ahead.at.Add(-age)
	return c
}

func TestClaimWithIntent_DoesNotWriteItsIntentAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	warm(d)
	c := d.ahead("a", -time.Hour)
	before := commandCalls(t, d.rdb.(*redis.Client), "evalsha")
	ok(t, d.journal.intent(t.Context(), &c))
	if n := commandCalls(t, d.rdb.(*redis.Client), "evalsha") - before; n != 0 || c.state != stateSent || c.sends != 1 {
		t.Errorf("%d scripts; %+v", n, c)
	}
	d.want("SENT", "1", "0")
}

// A process that was stopped between the claim and the create may have lost the order.
func TestClaimWithIntent_AsksAgainForAnIntentThatIsNotNewAnyMore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	warm(d)
	c := d.ahead("a", margin)
	ok(t, d.journal.intent(t.Context(), &c))
	d.want("SENT", "1", "0")
	ok(t, d.rdb.HSet(t.Context(), d.journal.keys.Order(d.id), "lease_until", 1).Err())
	c.ahead, c.sends, c.state = ahead{possible: true, at: time.Now().Add(-margin)}, 0, stateNew
	if err := d.journal.intent(t.Context(), &c); err != errLost {
		t.Errorf("the lease is over, and the create may leave: %v", err)
	}
}

// The answers to both may be lost, and both be sent again.
func TestClaimWithIntent_FindsItsOwnIntentWhenRepeated(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	warm(d)
	d.ahead("a", 0)
	c := d.ahead("a", 0)
	ok(t, d.journal.intent(t.Context(), &c))
	if d.want("SENT", "1", "0"); c.sends != 1 {
		t.Errorf("%+v", c)
	}
}

// An order that is put down, or ends, without its create is as if none had been meant.
func TestClaimWithIntent_TakesItsIntentBackWhenNoCreateFollows(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*desk, *claim) error{
		"put down": func(d *desk, c *claim) error {
			return d.journal.release(d.t.Context(), c, time.Minute, false, DeferHeld, nil)
		},
		"expired": func(d *desk, c *claim) error {
			_, err := d.journal.settle(d.t.Context(), c, outcome(tasks.Expired))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			warm(d)
			c := d.ahead("a", 0)
			ok(t, end(d, &c))
			if sent := d.rdb.HExists(t.Context(), d.journal.keys.Order(d.id), "sent_at").Val(); sent {
				t.Error("the journal says that a create left")
			}
			if n := d.field("sends"); n != "0" {
				t.Errorf("sends %s, want 0", n)
			}
		})
	}
}

// warm has the server know the scripts, and no lease lapse by itself.
func warm(d *desk) {
	d.journal.times = slowTimes()
	ok(d.t, claimScript.Load(d.t.Context(), d.rdb).Err())
	ok(d.t, intentScript.Load(d.t.Context(), d.rdb).Err())
}
