//go:build incidents

package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The incidents of docs/runbook.md in real time: make incidents prints a line whenever an alert
// starts or stops firing.

func TestIncident_WrongKeyIsAlertedOf(t *testing.T) {
	t.Parallel()
	r, w := incident(t, "wrong")
	w.calm(time.Minute)
	w.note("the wrong key is there from the start; corrected at minute 8")
	w.until("the merchant is alerted of", time.Minute, func() bool { return w.seen["QfpayMerchantHeld"] })
	w.calm(8*time.Minute - time.Since(w.began))
	for _, p := range r.workers {
		p.stop()
	}
	workers := r.ports
	r.workers, r.ports = nil, nil
	w.note("workers are started again, with the right key")
	for _, addr := range workers {
		r.startWorkerAt(addr, "key")
	}
	w.until("nothing fires", 15*time.Minute, func() bool { return len(w.firing) == 0 })
}

func TestIncident_GatewayOutageIsAlertedOf(t *testing.T) {
	t.Parallel()
	r, w := incident(t, "key")
	w.calm(3 * time.Minute)
	w.note("the gateway goes away")
	r.simulator.stop()
	w.calm(10 * time.Minute)
	r.startSimulator("--latency", "80ms-400ms")
	w.note("the gateway is back")
	w.until("only the burn still fires", 15*time.Minute, func() bool {
		return w.seen["QfpayGatewayFails"] && !slices.ContainsFunc(slices.Collect(maps.Keys(w.firing)),
			func(n string) bool { return !strings.HasPrefix(n, "QfpayBudget") })
	})
	w.calm(time.Minute)
	r.draw(*images, w.began)
}

func TestIncident_StoppedConsumerIsAlertedOf(t *testing.T) {
	t.Parallel()
	r, w := incident(t, "key")
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	consume := func() { // as qfpay-worker results --group does: what it was given and did not acknowledge comes first
		tasks.NewResults(r.rdb, prefix).Consume(ctx, "shop", "c", func(tasks.Entry) error { return nil })
	}
	reading.Go(consume)
	w.calm(2 * time.Minute)
	w.note("the consumer stops")
	stop()
	reading.Wait()
	w.until("it is alerted of", 13*time.Minute, func() bool { return w.seen["QfpayResultsUnread"] })
	w.calm(30 * time.Second)
	w.note("the consumer reads again")
	ctx, stop = context.WithCancel(t.Context())
	reading.Go(consume)
	w.until("nothing fires", 5*time.Minute, func() bool { return len(w.firing) == 0 })
	stop()
	reading.Wait()
}

// incident is a service with two orders per second, half of them interactive, which is scraped every
// 5 s, and a monitor of its alerts.
func incident(t *testing.T, shopsKey string) (*rig, *watch) {
	r := newRig(t)
	r.startSimulator("--latency", "80ms-400ms")
	r.startWorker(shopsKey, "QFPAY_TIMEOUT=10s")
	r.startWorker(shopsKey, "QFPAY_TIMEOUT=10s")
	r.startPrometheus(5 * time.Second)
	ctx, end := context.WithCancel(t.Context())
	var loading sync.WaitGroup
	loading.Go(func() { r.load(ctx, 2) })
	t.Cleanup(func() { end(); loading.Wait() })
	return r, &watch{rig: r, began: time.Now(), seen: map[string]bool{}, firing: map[string]bool{}}
}

// watch prints the changes of alerts.
type watch struct {
	rig          *rig
	began        time.Time
	firing, seen map[string]bool
}

func (w *watch) look() {
	now := w.rig.prom.firing(w.rig.t)
	for n := range now {
		if !w.firing[n] {
			w.note("+ " + n)
		}
		w.seen[n] = true
	}
	for n := range w.firing {
		if !now[n] {
			w.note("- " + n)
		}
	}
	w.firing = now
}

// note prints a line with the current figures of the Overview.
func (w *watch) note(what string) {
	figure := func(expr string) string {
		l := w.rig.prom.now(w.rig.t, expr)
		if len(l) == 0 {
			return "-"
		}
		return fmt.Sprintf("%.4g", l[0].value[0])
	}
	w.rig.t.Logf("%6s  %-32s backlog %s, settled/s %s, failed calls %s, late %s, expired %s, oldest unread %s s",
		time.Since(w.began).Round(time.Second), what, figure(`max(qfpay_orders_unsettled)`),
		figure(`sum(rate(qfpay_orders_settled_total[1m]))`),
		figure(`sum(rate(qfpay_gateway_requests_total{result=~"not_sent|timeout|reset|broken|bad_answer|http_5.."}[1m])) / sum(rate(qfpay_gateway_requests_total[1m]))`),
		figure(`sum(qfpay_orders_judged_total{verdict="late"})`), figure(`sum(qfpay_orders_settled_total{outcome="expired"})`),
		figure(`max(qfpay_results_oldest_unread_seconds)`))
}

func (w *watch) calm(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); pause(w.rig.t, 5*time.Second) {
		w.look()
	}
}

func (w *watch) until(what string, bound time.Duration, holds func() bool) {
	for end := time.Now().Add(bound); ; pause(w.rig.t, 5*time.Second) {
		w.look()
		if holds() {
			return
		}
		if time.Now().After(end) {
			w.rig.t.Fatalf("after %s it does not hold that %s; firing: %v", bound, what, slices.Sorted(maps.Keys(w.firing)))
		}
	}
}

// firing returns the firing alerts.
func (p *prometheus) firing(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, l := range p.now(t, `ALERTS{alertstate="firing"}`) {
		names[l.labels["alertname"]] = true
	}
	return names
}
