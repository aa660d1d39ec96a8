package worker

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

func TestInspect_TellsTheHistoryOfAnOrderFromItsJournal(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	i := f.inspector()
	h, err := i.Order(t.Context(), f.id)
	ok(t, err)
	if h.State != "NEW" || h.IssuedAs != "A1" || h.InFlight || h.AcceptedAt.IsZero() || h.Due.Before(h.AcceptedAt) || !h.SentAt.IsZero() || len(h.Results) != 0 {
		t.Errorf("accepted: %+v", h)
	}
	c := f.take("a")
	ok(t, f.Intent(t.Context(), c))
	h, err = i.Order(t.Context(), f.id)
	ok(t, err)
	if h.State != "SENT" || h.CreatesSent != 1 || h.Attempts != 1 || !h.InFlight || h.LeaseUntil.Before(h.Now) || h.SentAt.IsZero() || h.FirstAttemptAt.IsZero() {
		t.Errorf("sent: %+v", h)
	}
	f.lapse()
	if h, err = i.Order(t.Context(), f.id); err != nil || h.InFlight {
		t.Errorf("its lease has run out: %+v, %v", h, err)
	}
	c = f.take("b")
	ok(t, f.Reissue(t.Context(), c))
	ok(t, f.Release(t.Context(), c, time.Hour, false, event.DeferQuota, nil))
	h, err = i.Order(t.Context(), f.id)
	ok(t, err)
	if h.Reissues != 1 || h.IssuedAs != "A1_2" || h.DeferredFor != "quota" || h.Due.Sub(h.Now) < 59*time.Minute {
		t.Errorf("reissued and deferred: %+v", h)
	}
	f.end(f.take("c"), "expired")
	h, err = i.Order(t.Context(), f.id)
	ok(t, err)
	if h.Outcome != "expired" || h.SettledAt.IsZero() || !h.Due.IsZero() || len(h.Results) != 1 || h.Results[0].Result.ID != f.id {
		t.Errorf("settled: %+v", h)
	}
	ok(t, f.Redis.Del(t.Context(), f.Keys.Results()).Err())
	if h, err = i.Order(t.Context(), f.id); err != nil || h.Results[0].Result != nil {
		t.Errorf("its result has gone from the stream: %+v, %v", h, err)
	}
	if _, err := i.Order(t.Context(), "default:nobody"); !errors.Is(err, inspect.ErrNoOrder) {
		t.Errorf("error %v", err)
	}
}

// A damaged journal is shown as far as it can be read.
func TestInspect_ShowsADamagedJournalAllTheSame(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ok(t, f.Redis.HSet(t.Context(), f.Keys.Order(f.id), "order", "\xff{", "creates_sent", "many", "accepted_at", "-").Err())
	h, err := f.inspector().Order(t.Context(), f.id)
	if err != nil || h.State != "NEW" || h.CreatesSent != 0 || !h.AcceptedAt.IsZero() {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := json.Marshal(h); err != nil {
		t.Error(err)
	}
}
