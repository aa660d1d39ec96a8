package api

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
)

func TestBatch_IsShownToThoseWhoMayReadItsOrders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	of := func(merchant, number string) string {
		return strings.Replace(anOrder(number), "{", `{"batch":"march","merchant":"`+merchant+`",`, 1)
	}
	r.post(of("default", "A1"))
	r.post(of("shop", "A2"))
	r.post(of("shop", "A2"))
	got := into[batches.Batch](t, r.get("/v1/batches/march").body)
	if got.Name != "march" || got.Accepted != 2 || got.Waiting != 2 || got.Outcomes[tasks.Created] != 0 || got.FirstAcceptedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	want := []batches.Merchant{{Merchant: "default", Accepted: 1, Waits: batches.Waits{Bulk: 1}}, {Merchant: "shop", Accepted: 1, Waits: batches.Waits{Bulk: 1}}}
	if diff := cmp.Diff(want, got.Merchants); diff != "" {
		t.Error(diff)
	}
	if f := got.Forecast; f == nil || f.Seconds != 1 || cmp.Diff([]string{"default", "shop"}, f.Assumed) != "" {
		t.Errorf("forecast %+v", f)
	}
	for _, path := range []string{"/v1/batches/april", "/v1/batches/no%20name", "/v1/batches/" + strings.Repeat("x", 65)} {
		if got := r.get(path); got.status != http.StatusNotFound || !strings.Contains(got.body, "no such batch") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, c := range []struct {
		merchants []string
		read      bool
		status    int
	}{{[]string{"shop", "default"}, true, 200}, {[]string{"*"}, true, 200}, {[]string{"shop"}, true, 404}, {[]string{"*"}, false, 403}} {
		r.callers.Set([]Caller{{Name: "one", Token: sha256.Sum256([]byte(token)), Merchants: c.merchants, Read: c.read}})
		if got := r.get("/v1/batches/march"); got.status != c.status {
			t.Errorf("a token for %q, reading %t: %d %s", c.merchants, c.read, got.status, got.body)
		}
	}
	r.callers.Set(OneCaller(token))
	r.rdb.HSet(t.Context(), keys.Batch("march"), "created", "many")
	if got := r.get("/v1/batches/march"); got.status != http.StatusServiceUnavailable {
		t.Errorf("counters that are damaged: %d %s", got.status, got.body)
	}
}
