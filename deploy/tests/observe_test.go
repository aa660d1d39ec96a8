package deploy

import (
	"flag"
	"io"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/deploy/tests/dashboards"
)

var (
	observeFor = flag.Duration("observe.for", 0, "go on observing for so long")
	images     = flag.String("observe.images", "", "directory to draw the panels into")
)

// rightlyEmpty are the queries without data in a service under load, with the reason.
var rightlyEmpty = map[string]string{}

// Real workers are under load here, with all the problems that panels show: a merchant with a wrong
// key, HTTP 429, lost answers, a consumer that does not acknowledge. A real Prometheus scrapes them,
// and every expression of every panel must have data.
func TestDashboard_EveryPanelHasDataUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	faults := []string{"payment.drop_after=0.08", "payment.respcd_1142=0.02", "query.http_502=0.02"}
	r.startSimulator("--latency", "20ms-120ms", "--seed", "1", "--pay", "0.6", "--pay-after", "1s-10s")
	r.fault(faults...)
	r.startWorker("wrong")
	r.startWorker("wrong")
	r.startPrometheus(time.Second)
	began := time.Now()

	end := r.loading(15) // twice what QFPay allows
	defer func() { end() }()
	r.leaveUnread()
	r.pauseOctopus()

	missing := map[string]string{} // query → panel
	for _, d := range dashboards.All() {
		for _, p := range d.Panels() {
			for _, q := range p.Queries {
				missing[q.Expr] = d.Title + " / " + p.Title
			}
		}
	}
	count := len(missing)
	puts := inGrafana("10s")
	for deadline := time.Now().Add(80 * time.Second); ; {
		for expr := range missing {
			if len(r.prom.now(t, puts.Replace(expr))) > 0 {
				delete(missing, expr)
			}
		}
		for expr := range rightlyEmpty {
			delete(missing, expr)
		}
		if len(missing) == 0 {
			break
		}
		if time.Now().After(deadline) {
			for expr, panel := range missing {
				t.Errorf("%s has no data: %s", panel, expr)
			}
			break
		}
		pause(t, time.Second)
	}
	t.Logf("%d expressions had data within %s", count-len(missing)-len(rightlyEmpty), time.Since(began).Round(time.Second))

	r.provoked()
	r.noSecretOnAnyPage()
	pause(t, *observeFor/3)
	end()
	end = r.loading(3) // less than half of it
	pause(t, *observeFor/3)
	r.throttled(faults)
	pause(t, *observeFor/3)
	r.draw(*images, began)
}

// provoked checks that the panels about problems show the provoked problems, and not only zeros.
func (r *rig) provoked() {
	r.t.Helper()
	for what, expr := range map[string]string{
		"a merchant is held":              `max(qfpay_merchant_held{merchant="shop",reason="1108"}) == 1`,
		"orders were in doubt":            `sum(qfpay_order_deferrals_total{reason="doubt"}) > 0`,
		"orders were issued again":        `sum(qfpay_orders_reissued_total) > 0`,
		"orders waited for the quota":     `sum(qfpay_order_deferrals_total{reason="quota"}) > 0`,
		"results are unread":              `max(qfpay_results_unread{group="sleeps"}) > 0`,
		"the oldest of them has an age":   `max(qfpay_results_oldest_unread_seconds{group="sleeps"}) > 1`,
		"payments are unread":             `max(qfpay_payments_unread{group="sleeps"}) > 0`,
		"the held merchant is alerted of": `count(ALERTS{alertname="QfpayMerchantHeld"}) > 0`,
	} {
		eventually(r.t, 90*time.Second, what, func() bool { return len(r.prom.now(r.t, expr)) > 0 })
	}
}

// throttled makes the gateway answer every create with HTTP 429 until the alert fires.
func (r *rig) throttled(faults []string) {
	r.t.Helper()
	r.fault("payment.http_429=1")
	eventually(r.t, 90*time.Second, "429s are alerted of", func() bool {
		return len(r.prom.now(r.t, `ALERTS{alertname="QfpayGatewayThrottles"}`)) > 0
	})
	r.fault(faults...)
}

// pauseOctopus pauses one pay type of a merchant, as a person does.
func (r *rig) pauseOctopus() {
	pause := `{"since":"2026-03-01T04:00:00Z","by":"test"}`
	if err := r.rdb.HSet(r.t.Context(), prefix.Paused(), "shop:803701", pause).Err(); err != nil {
		r.t.Fatal(err)
	}
}

// leaveUnread creates in each stream a group that has read one entry and acknowledged nothing.
func (r *rig) leaveUnread() {
	ctx := r.t.Context()
	for _, stream := range []string{prefix.Results(), prefix.Payments()} {
		eventually(r.t, 30*time.Second, stream+" has an entry", func() bool { return r.rdb.XLen(ctx, stream).Val() > 0 })
		r.rdb.XGroupCreate(ctx, stream, "sleeps", "0")
		read := r.rdb.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "sleeps", Consumer: "c", Streams: []string{stream, ">"}, Count: 1})
		if read.Err() != nil {
			r.t.Fatal(read.Err())
		}
	}
}

// noSecretOnAnyPage checks that neither the right key nor the wrong one is in the metrics.
func (r *rig) noSecretOnAnyPage() {
	for _, addr := range r.ports {
		answer, err := web.Get("http://" + addr + "/metrics")
		if err != nil {
			r.t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || len(text) == 0 {
			r.t.Fatalf("%d bytes of metrics, error %v", len(text), err)
		}
		if secrets.Match(text) {
			r.t.Error("a key is in the metrics")
		}
	}
}

// pause waits for a time, without a condition.
func pause(t *testing.T, d time.Duration) {
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}
