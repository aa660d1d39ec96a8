package api

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

func TestOrders_AreAcceptedOnceAndThenDuplicates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	want := accepted{ID: "default:A1", Merchant: "default", OutTradeNo: "A1", Acceptance: tasks.Enqueued, State: "NEW"}
	first := r.post(anOrder("A1"))
	if diff := cmp.Diff(want, into[accepted](t, first.body)); diff != "" {
		t.Error(diff)
	}
	if l := first.header.Get("Location"); l != "/v1/orders/default/A1" || r.get(l).status != http.StatusOK {
		t.Errorf("Location: %s", l)
	}
	want.Acceptance = tasks.Duplicate
	if diff := cmp.Diff(want, into[accepted](t, r.post(anOrder("A1")).body)); diff != "" {
		t.Error(diff)
	}
	shown := into[shown](t, r.get("/v1/orders/default/A1").body)
	if lane := into[struct {
		tasks.Order
	}](t, string(shown.Order)).Lane; lane != tasks.Bulk || shown.Result != nil || shown.State != "NEW" {
		t.Errorf("lane %s, %+v", lane, shown)
	}
}

// The orders are accepted; the client hears that a name may be misspelt.
func TestOrders_AreAnsweredWithAWarningWhenNoWorkerHasTheirMerchant(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	of := func(merchant, number string) string {
		return strings.Replace(anOrder(number), "{", `{"merchant":"`+merchant+`",`, 1)
	}
	r.rdb.HSet(t.Context(), keys.Merchants(), "shop", "1")
	const warning = "no running worker has merchant shop-x; the order waits until one has it, or expires"
	if got := r.post(of("shop-x", "A1")); got.status != http.StatusAccepted || into[accepted](t, got.body).Warning != warning {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := r.post(of("shop", "A2")); got.status != http.StatusAccepted || strings.Contains(got.body, "warning") {
		t.Errorf("%d %s", got.status, got.body)
	}
	lines := strings.Split(r.lines(strings.NewReader(of("shop", "A3")+"\n{\n"+of("shop-x", "A4")+"\n")).body, "\n")
	if len(lines) != 4 || strings.Contains(lines[0]+lines[1], "warning") || !strings.Contains(lines[2], `"warning":"`+warning+`"`) {
		t.Errorf("%q", lines)
	}
	r.rdb.HSet(t.Context(), keys.Order("shop-x:A1"), "state", "DONE")
	if got := r.post(of("shop-x", "A1")); into[accepted](t, got.body).State != "DONE" || strings.Contains(got.body, "warning") {
		t.Errorf("an order that has its result: %s", got.body)
	}
}

func TestOrders_ConflictNamesTheOrderAndItsState(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post(anOrder("A1"))
	got := r.post(strings.Replace(anOrder("A1"), "2500", "2501", 1))
	want := problem{Title: "Conflict", Status: 409, ID: "default:A1", State: "NEW",
		Detail: (&tasks.ConflictError{ID: "default:A1", State: "NEW"}).Error()}
	if diff := cmp.Diff(want, into[problem](t, got.body)); diff != "" {
		t.Error(diff)
	}
}

func TestOrders_AllFaultsOfAnOrderAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := into[problem](t, r.post(`{"out_trade_no":"A1","pay_type":"9","txcurrcd":"HKD","lane":"`+strings.Repeat("x", 500)+`"}`).body)
	want := []fieldError{
		{Field: "txamt", Rule: "is required"},
		{Field: "pay_type", Value: "9", Rule: "must be one of 800101, 801501, 800201, 805801, 800701, 802001, 803701"},
		{Field: "lane", Value: strings.Repeat("x", 48) + "…", Rule: "must be interactive or bulk"},
	}
	if diff := cmp.Diff(want, got.Errors); diff != "" {
		t.Error(diff)
	}
	if n := r.rdb.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("%d keys were written", n)
	}
}

func TestOrders_OnlyJSONInUTF8IsTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, c := range []struct {
		contentType, encoding string
		want                  int
	}{
		{"application/json", "", 202},
		{"Application/JSON; charset=UTF-8", "identity", 202},
		{"application/json; charset=latin1", "", 415},
		{"application/json", "gzip", 415},
		{"application/jsonp", "", 415},
		{"application/json; charset", "", 415},
		{"text/plain", "", 415}, // what a page of any origin may send without asking
		{"", "", 415},
	} {
		req := r.request(http.MethodPost, "/v1/orders", c.contentType, strings.NewReader(anOrder("A1")))
		if c.encoding != "" {
			req.Header.Set("Content-Encoding", c.encoding)
		}
		if got := r.do(req); got.status != c.want {
			t.Errorf("%q, %q: %d, want %d", c.contentType, c.encoding, got.status, c.want)
		}
	}
}

// The order of the largest size is read, and of a larger one no more than it takes to
// know that.
func TestOrders_SizeIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	order := anOrder("A1")
	if got := r.post(order + strings.Repeat(" ", tasks.MaxOrderBytes-len(order))); got.status != http.StatusAccepted {
		t.Errorf("the largest: %d %s", got.status, got.body)
	}
	read := &countingReader{Reader: io.LimitReader(spaces{}, 1<<30)}
	res, err := r.plain.Do(r.request(http.MethodPost, "/v1/orders", oneOrder, read))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge || read.n.Load() > 32<<20 {
		t.Errorf("%d after %d bytes", res.StatusCode, read.n.Load())
	}
}

// spaces goes on for ever.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type countingReader struct {
	io.Reader
	n atomic.Int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n.Add(int64(n))
	return n, err
}

func TestShow_ResultStandsWithItsOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post(anOrder("A1"))
	r.post(strings.Replace(anOrder("A2"), "}", `,"deadline":"2001-01-01T00:00:00Z"}`, 1))
	r.work(simulator.Config{}, 2)
	created := into[shown](t, r.get("/v1/orders/default/A1").body)
	if created.State != "DONE" || created.Outcome != "created" || created.Result == nil || created.Result.QRCode == "" {
		t.Errorf("%+v", created)
	}
	expired := into[shown](t, r.get("/v1/orders/default/A2").body)
	if expired.Outcome != "expired" || expired.Result == nil || expired.Result.QRCode != "" {
		t.Errorf("%+v", expired)
	}
	if strings.Contains(r.log.String(), created.Result.QRCode) {
		t.Error("the QR code is in the log")
	}
}

func TestShow_NamesThatNoOrderCanHaveAreNotFound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, path := range []string{"default/A9", "default/A%201", "default/a%2Fb", "a:b/A1", "%7Bqfpay%7D/A1", "default/" + strings.Repeat("x", 200)} {
		if got := r.get("/v1/orders/" + path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestOrders_AreNotLostWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.redis.Kill()
	got := r.post(anOrder("A1"))
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" || strings.Contains(got.body, r.redis.Socket) {
		t.Errorf("%+v", got)
	}
	r.redis.Boot(t)
	r.until("Redis is reached again", func() bool { return r.post(anOrder("A1")).status == http.StatusAccepted })
	if got := into[accepted](t, r.post(anOrder("A1")).body); got.Acceptance != tasks.Duplicate {
		t.Errorf("%+v", got)
	}
}

// A result from before an order was re-opened is not its current result.
func TestShow_ReopenedOrderHasNoResultYet(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post(strings.Replace(anOrder("A1"), "}", `,"deadline":"2001-01-01T00:00:00Z"}`, 1))
	r.work(simulator.Config{}, 1)
	if _, err := inspect.New(r.rdb, keys).Reopen(t.Context(), "default:A1", time.Time{}); err != nil {
		t.Fatal(err)
	}
	got := into[shown](t, r.get("/v1/orders/default/A1").body)
	if got.State != "NEW" || got.Result != nil || len(got.Results) != 1 || got.Results[0].Result == nil {
		t.Errorf("%+v", got)
	}
	if picture := r.get("/v1/orders/default/A1/qr.png"); picture.status != http.StatusConflict || picture.header.Get("Retry-After") == "" {
		t.Errorf("%+v", picture)
	}
}
