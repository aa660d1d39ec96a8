package api

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// One request for each answer in the document. In all tests, the client checks every answer against
// the document. So this test shows that each documented answer occurs, and no other.
func TestDocument_EveryAnswerInItIsGiven(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.RedisTimeout = 200 * time.Millisecond })
	had := map[string]bool{}
	order, picture, batch := "/v1/orders/default/A1", "/v1/orders/default/A1/qr.png", "/v1/batches/one"
	results, payments := "/v1/results?wait=0", "/v1/payments?wait=0"
	private := []route{{method: "GET", path: order}, {method: "DELETE", path: order}, {method: "GET", path: picture},
		{method: "GET", path: batch}, {method: "GET", path: results}, {method: "GET", path: payments}, {method: "POST", path: "/v1/orders"}}
	ask := func(want int, method, path, contentType, body string) answered {
		t.Helper()
		return r.had(had, want, r.request(method, path, contentType, strings.NewReader(body)))
	}

	ask(404, "GET", order, "", "")
	ask(404, "GET", picture, "", "")
	ask(404, "DELETE", order, "", "")
	ask(404, "GET", batch, "", "")
	ask(202, "POST", "/v1/orders", oneOrder, strings.Replace(anOrder("A1"), "{", `{"batch":"one",`, 1))
	ask(200, "GET", batch, "", "")
	ask(409, "GET", picture, "", "")
	r.work(simulator.Config{}, 1)
	ask(200, "GET", order, "", "")
	ask(200, "GET", picture, "", "")
	ask(400, "GET", picture+"?scale=0", "", "")
	ask(200, "GET", results, "", "")
	ask(200, "GET", payments, "", "")
	ask(202, "DELETE", order, "", "")
	for closed, status := range map[string]int{"closed": 200, "paid": 409} {
		r.rdb.HSet(t.Context(), keys.Order("default:A1"), "closed", closed)
		ask(status, "DELETE", order, "", "")
	}
	ask(200, "POST", "/v1/orders", manyOrders, anOrder("A1")+"\n{\n")
	ask(400, "POST", "/v1/orders", oneOrder, "{")
	ask(409, "POST", "/v1/orders", oneOrder, strings.Replace(anOrder("A1"), "2500", "2501", 1))
	ask(413, "POST", "/v1/orders", oneOrder, strings.Repeat(" ", tasks.MaxOrderBytes+1))
	ask(415, "POST", "/v1/orders", "text/csv", "out_trade_no\nA1")
	ask(422, "POST", "/v1/orders", oneOrder, "{}")
	ask(200, "GET", "/v1/openapi.json", "", "")

	stuck, let := io.Pipe()
	r.had(had, 408, r.request("POST", "/v1/orders", oneOrder, stuck))
	let.Close()

	for _, route := range private {
		req := r.request(route.method, route.path, "", nil)
		req.Header.Set("Authorization", "Bearer x")
		r.had(had, 401, req)
	}

	r.callers.Set([]Caller{{Name: "web-shop", Token: sha256.Sum256([]byte(token)), Merchants: []string{"hotel"}}})
	ask(403, "GET", order, "", "")
	ask(403, "GET", picture, "", "")
	ask(403, "DELETE", order, "", "")
	ask(403, "GET", batch, "", "")
	ask(403, "GET", results, "", "")
	ask(403, "GET", payments, "", "")
	ask(403, "POST", "/v1/orders", oneOrder, anOrder("A1"))
	r.callers.Set(OneCaller(token))
	for _, route := range private[:len(private)-1] {
		twice := r.request(route.method, route.path, "", nil)
		twice.Header.Add("Authorization", "Bearer x")
		r.had(had, 400, twice)
	}

	r.redis.Kill()
	ask(503, "POST", "/v1/orders", oneOrder, anOrder("A2"))
	ask(503, "GET", order, "", "")
	ask(503, "GET", picture, "", "")
	ask(503, "DELETE", order, "", "")
	ask(503, "GET", batch, "", "")
	ask(503, "GET", results, "", "")
	ask(503, "GET", payments, "", "")

	busy := newRig(t, func(c *Config) { c.Requests, c.Waits = 1, 1 })
	done, heard := busy.occupy(), busy.listen("/v1/results?wait=30")
	for _, route := range private {
		busy.had(had, 429, busy.request(route.method, route.path, oneOrder, strings.NewReader("{}")))
	}
	done()
	busy.rdb.XAdd(t.Context(), xadd(aResult("A1")))
	<-heard

	broken := newRig(t, func(c *Config) { c.Producer, c.Inspector, c.Batches, c.Results, c.Payments = nil, nil, nil, nil, nil }) // a call of them panics
	broken.had(had, 500, broken.request("POST", "/v1/orders", oneOrder, strings.NewReader(anOrder("A3"))))
	broken.had(had, 500, broken.request("GET", order, "", nil))
	broken.had(had, 500, broken.request("GET", picture, "", nil))
	broken.had(had, 500, broken.request("DELETE", order, "", nil))
	broken.had(had, 500, broken.request("GET", batch, "", nil))
	broken.had(had, 500, broken.request("GET", results, "", nil))
	broken.had(had, 500, broken.request("GET", payments, "", nil))

	var documented []string
	for operation, responses := range r.doc.operations {
		for status := range responses {
			documented = append(documented, operation+" "+status)
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(documented, slices.Sorted(maps.Keys(had))); diff != "" {
		t.Errorf("(-documented +had):\n%s", diff)
	}
}

// had sends a request, which must be answered with a status, and records the answer.
func (r *rig) had(had map[string]bool, want int, req *http.Request) answered {
	r.t.Helper()
	got := r.do(req)
	if got.status != want {
		r.t.Errorf("%s %s: %d, want %d: %s", req.Method, req.URL.Path, got.status, want, got.body)
	}
	_, operation := r.doc.mux.Handler(req)
	had[fmt.Sprint(operation, " ", got.status)] = true
	return got
}

// occupy uses a slot for a request until it is released.
func (r *rig) occupy() (done func()) {
	r.t.Helper()
	body, w := io.Pipe()
	req := r.request("POST", "/v1/orders", manyOrders, body)
	ended := make(chan error, 1)
	go func() {
		res, err := r.plain.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		ended <- err
	}()
	io.WriteString(w, anOrder("OCCUPIED")+"\n")
	r.until("the upload is under way", func() bool {
		return r.rdb.Exists(r.t.Context(), keys.Order("default:OCCUPIED")).Val() == 1
	})
	return func() {
		w.Close()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	}
}
