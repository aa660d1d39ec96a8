package api

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// aResult is one of a merchant's order, with its merchant before a colon if it is not the default.
func aResult(order string) *tasks.Result {
	merchant, number, named := strings.Cut(order, ":")
	if !named {
		merchant, number = tasks.DefaultMerchant, order
	}
	return &tasks.Result{V: tasks.ResultVersion, ID: merchant + ":" + number, Merchant: merchant, OutTradeNo: number, Outcome: string(tasks.Created)}
}

// publish adds results to the stream with the IDs 1-0, 2-0 …
func (r *rig) publish(orders ...string) {
	r.t.Helper()
	for i, o := range orders {
		entry := xadd(aResult(o))
		entry.ID = fmt.Sprint(i+1, "-0")
		if err := r.rdb.XAdd(r.t.Context(), entry).Err(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// lineOf is any line of a feed, as far as the tests look.
type lineOf struct {
	StreamID string `json:"stream_id"`
	tasks.Result
}

// entries asks for a feed, and returns what came as "ID order", and where to continue.
func (r *rig) entries(query string) (lines []string, next string) {
	r.t.Helper()
	got := r.get("/v1/results?" + query)
	if got.status != http.StatusOK {
		r.t.Fatalf("%s: %d %s", query, got.status, got.body)
	}
	for line := range strings.Lines(got.body) {
		one := into[lineOf](r.t, line)
		lines = append(lines, one.StreamID+" "+one.ID)
	}
	return lines, got.header.Get("Next-After")
}

// listen asks for a feed, waits until the request waits, and tells what came of it.
func (r *rig) listen(path string) <-chan answered {
	r.t.Helper()
	before := r.reads()
	heard := make(chan answered, 1)
	req := r.request(http.MethodGet, path, "", nil)
	go func() {
		res, err := r.plain.Do(req)
		if err != nil {
			heard <- answered{body: err.Error()}
			return
		}
		defer res.Body.Close()
		scanner, body := bufio.NewScanner(res.Body), ""
		for scanner.Scan() {
			body += scanner.Text() + "\n"
		}
		heard <- answered{res.StatusCode, res.Header, body}
	}()
	r.until("the request has read the stream", func() bool { return r.reads() > before })
	return heard
}

// reads counts the reads of streams.
func (r *rig) reads() int {
	text := r.rdb.Info(r.t.Context(), "commandstats").Val()
	n := 0
	for line := range strings.Lines(text) {
		fmt.Sscanf(line, "cmdstat_xrange:calls=%d", &n)
	}
	return n
}

func TestFeed_EachPageContinuesTheOneBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var orders, want []string
	for i := range 250 {
		orders = append(orders, fmt.Sprint("A", i))
		want = append(want, fmt.Sprintf("%d-0 default:A%d", i+1, i))
	}
	r.publish(orders...)
	var got []string
	after := ""
	for range 4 {
		lines, next := r.entries("wait=0&limit=120&after=" + after)
		if len(lines) > 120 || next != after && !strings.HasPrefix(lines[len(lines)-1], next+" ") {
			t.Errorf("after %q: %d lines, and %q", after, len(lines), next)
		}
		got, after = append(got, lines...), next
	}
	if diff := cmp.Diff(want, got); diff != "" || after != "250-0" {
		t.Errorf("%s (-want +got)\n%s", after, diff)
	}
	if lines, next := r.entries("wait=0&after=248"); len(lines) != 2 || next != "250-0" {
		t.Errorf("after a time: %q, %q", lines, next)
	}
	if lines, next := r.entries("wait=0&limit=1000"); len(lines) != 250 || next != "250-0" {
		t.Errorf("all at once: %d, %q", len(lines), next)
	}
	if got := r.get("/v1/payments?wait=0"); got.status != http.StatusOK || got.body != "" || got.header.Get("Next-After") != "" {
		t.Errorf("a stream that does not exist: %+v", got)
	}
}

func TestFeed_IsOfTheMerchantsOfTheToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.publish("A1", "hotel:H1", "A2", "hotel:H2", "A3")
	for _, c := range []struct {
		merchants []string
		want      []string
	}{
		{[]string{"hotel"}, []string{"2-0 hotel:H1", "4-0 hotel:H2"}},
		{[]string{"hotel", "default"}, []string{"1-0 default:A1", "2-0 hotel:H1", "3-0 default:A2", "4-0 hotel:H2", "5-0 default:A3"}},
		{[]string{"other"}, nil},
	} {
		r.callers.Set([]Caller{{Name: "one", Token: sha256.Sum256([]byte(token)), Merchants: c.merchants, Read: true}})
		lines, next := r.entries("wait=0")
		if diff := cmp.Diff(c.want, lines); diff != "" || next != "5-0" {
			t.Errorf("%q: continues after %s (-want +got)\n%s", c.merchants, next, diff)
		}
	}
	r.callers.Set([]Caller{{Name: "till", Token: sha256.Sum256([]byte(token)), Merchants: []string{"*"}}})
	if got := r.get("/v1/results?wait=0"); got.status != http.StatusForbidden || !strings.Contains(got.body, "the token of till may not read") {
		t.Errorf("a token that may not read: %d %s", got.status, got.body)
	}
}

func TestFeed_WaitsForTheFirstEntry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	heard := r.listen("/v1/payments?wait=30")
	p := tasks.Payment{V: tasks.PaymentVersion, ID: "default:A1#paid", Merchant: "default", OutTradeNo: "A1", Event: string(tasks.Paid)}
	if err := r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Payments(), ID: "7-0", Values: p.Values()}).Err(); err != nil {
		t.Fatal(err)
	}
	got := <-heard
	line := into[paymentLine](t, got.body)
	if line.StreamID != "7-0" || cmp.Diff(p, line.Payment) != "" || got.header.Get("Next-After") != "7-0" {
		t.Errorf("%+v", got)
	}
	// The rig's server takes 2 s for a request that never ends; a wait is none.
	began := time.Now()
	if got := r.get("/v1/payments?wait=3&after=7-0"); got.status != http.StatusOK || got.body != "" || time.Since(began) < 3*time.Second {
		t.Errorf("after %s: %+v", time.Since(began), got)
	}
}

func TestFeed_EndsWithTheWorker(t *testing.T) {
	t.Parallel()
	stopping, stop := context.WithCancel(t.Context())
	r := newRig(t, func(c *Config) { c.Stopping = stopping })
	heard := r.listen("/v1/results?wait=30")
	stop()
	select {
	case got := <-heard:
		if got.status != http.StatusOK || got.body != "" {
			t.Errorf("%+v", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on waiting")
	}
}

func TestFeed_LeavesTheOtherRequestsTheirSlots(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Requests, c.Waits = 1, 1 })
	heard := r.listen("/v1/results")
	if got := r.get("/v1/payments"); got.status != http.StatusTooManyRequests {
		t.Errorf("a second: %d %s", got.status, got.body)
	}
	if got := r.post(anOrder("A1")); got.status != http.StatusAccepted {
		t.Errorf("an order beside them: %d %s", got.status, got.body)
	}
	r.publish("A1")
	<-heard
}

func TestFeed_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, query := range []string{"after=x", "after=$", "after=1-", "after=-1", "after=1-2-3", "after=1-x", "after=+1", "after=(1", "after=99999999999999999999",
		"limit=0", "limit=1001", "limit=x", "limit=", "wait=31", "wait=-1", "wait=1.5"} {
		if got := r.get("/v1/results?" + query); got.status != http.StatusBadRequest || !strings.Contains(into[problem](t, got.body).Detail, strings.Split(query, "=")[0]+": must be") {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	r.get("/v1/results?wait=0&after=9223372036854775807-9223372036854775807") // the last that may be
}

// An answer has some megabyte at most, and an entry that is none is passed over, and said to be.
func TestFeed_HasBounds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	big := aResult("BIG")
	big.Response = strings.Repeat("x", 100<<10)
	for range 30 {
		r.rdb.XAdd(t.Context(), xadd(big))
	}
	if got := r.get("/v1/results?wait=0&limit=1000"); len(got.body) < 1<<20 || len(got.body) > 1<<20+200<<10 {
		t.Errorf("%d bytes", len(got.body))
	}
	r.rdb.Del(t.Context(), keys.Results())
	r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), ID: "1-0", Values: []any{"x", "y"}})
	if lines, next := r.entries("wait=0"); lines != nil || next != "1-0" || !strings.Contains(r.log.String(), "entry=1-0") {
		t.Errorf("%q %q\n%s", lines, next, r.log)
	}
}
