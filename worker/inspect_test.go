package worker

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

func TestInspect_TellsTheHistoryOfAnOrderFromItsJournal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	i := d.inspector()
	h, err := i.Order(t.Context(), d.id)
	ok(t, err)
	if h.State != "NEW" || h.IssuedAs != "A1" || h.InFlight || h.AcceptedAt.IsZero() || h.Due.Before(h.AcceptedAt) || !h.SentAt.IsZero() || len(h.Results) != 0 {
		t.Errorf("accepted: %+v", h)
	}
	c := d.take("a")
	ok(t, d.intent(t.Context(), c))
	h, err = i.Order(t.Context(), d.id)
	ok(t, err)
	if h.State != "SENT" || h.Sends != 1 || h.Attempts != 1 || !h.InFlight || h.HeldTo.Before(h.Now) || h.SentAt.IsZero() || h.FirstAt.IsZero() {
		t.Errorf("sent: %+v", h)
	}
	d.lapse()
	if h, err = i.Order(t.Context(), d.id); err != nil || h.InFlight {
		t.Errorf("its lease has run out: %+v, %v", h, err)
	}
	c = d.take("b")
	ok(t, d.mint(t.Context(), c))
	ok(t, d.release(t.Context(), c, time.Hour, false, DeferQuota, nil))
	h, err = i.Order(t.Context(), d.id)
	ok(t, err)
	if h.Number != 1 || h.IssuedAs != "A1_2" || h.WaitsFor != "quota" || h.Due.Sub(h.Now) < 59*time.Minute {
		t.Errorf("reissued and put down: %+v", h)
	}
	d.end(d.take("c"), "expired")
	h, err = i.Order(t.Context(), d.id)
	ok(t, err)
	if h.Outcome != "expired" || h.SettledAt.IsZero() || !h.Due.IsZero() || len(h.Results) != 1 || h.Results[0].Result.ID != d.id {
		t.Errorf("settled: %+v", h)
	}
	ok(t, d.rdb.Del(t.Context(), d.keys.Results()).Err())
	if h, err = i.Order(t.Context(), d.id); err != nil || h.Results[0].Result != nil {
		t.Errorf("its result has gone from the stream: %+v, %v", h, err)
	}
	if _, err := i.Order(t.Context(), "default:nobody"); !errors.Is(err, ErrNoOrder) {
		t.Errorf("error %v", err)
	}
}

// Whoever looks at a damaged journal wants to see what there is.
func TestInspect_ShowsADamagedJournalAllTheSame(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ok(t, d.rdb.HSet(t.Context(), d.keys.Order(d.id), "order", "\xff{", "sends", "many", "accepted_at", "-").Err())
	h, err := d.inspector().Order(t.Context(), d.id)
	if err != nil || h.State != "NEW" || h.Sends != 0 || !h.AcceptedAt.IsZero() {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := json.Marshal(h); err != nil {
		t.Error(err)
	}
}
