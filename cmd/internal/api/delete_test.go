package api

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// An order is cancelled as the command cancels it; what cannot be is a conflict that says why.
func TestDelete_SaysHowFarTheCancellationIs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	del := func(number string) answered {
		t.Helper()
		return r.do(r.request(http.MethodDelete, "/v1/orders/default/"+number, "", nil))
	}
	for _, number := range []string{"A1", "SENT1", "PUB1", "PAID1", "FPS1", "R1"} {
		r.post(anOrder(number))
	}
	set := func(number string, fields ...any) {
		r.rdb.HSet(t.Context(), keys.Order("default:"+number), fields...)
	}
	set("SENT1", "state", "SENT", "creates_sent", 1)
	for _, number := range []string{"PUB1", "PAID1", "FPS1"} {
		set(number, "state", "DONE", "outcome", "created")
	}
	set("PAID1", "close_asked_at", 1, "closed", "paid")
	set("FPS1", "close_asked_at", 1, "closed", "cannot_close")
	set("R1", "state", "DONE", "outcome", "rejected")
	for _, c := range []struct {
		number string
		status int
		want   cancelled
	}{
		{"A1", 200, cancelled{Cancellation: inspect.Cancelled, State: "DONE", Outcome: "cancelled"}},
		{"A1", 200, cancelled{Cancellation: inspect.Cancelled, State: "DONE", Outcome: "cancelled"}},
		{"SENT1", 202, cancelled{Cancellation: inspect.CancelAsked, State: "SENT"}},
		{"PUB1", 202, cancelled{Cancellation: inspect.CancelClose, State: "DONE", Outcome: "created"}},
	} {
		c.want.ID, c.want.Merchant, c.want.OutTradeNo = "default:"+c.number, "default", c.number
		got := del(c.number)
		if diff := cmp.Diff(c.want, into[cancelled](t, got.body)); diff != "" || got.status != c.status {
			t.Errorf("%s: %d %s", c.number, got.status, diff)
		}
	}
	for number, status := range map[string]int{"PAID1": 409, "FPS1": 409, "R1": 409, "NOBODY": 404, "a%20b": 404} {
		if got := del(number); got.status != status || into[problem](t, got.body).Detail == "" {
			t.Errorf("%s: %d %s", number, got.status, got.body)
		}
	}
	if duplicate := into[accepted](t, r.post(anOrder("A1")).body); duplicate.Acceptance != "duplicate" || duplicate.State != "DONE" {
		t.Errorf("enqueued again: %+v", duplicate)
	}
}
