package e2e

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"time"
)

// plan configures one run of the chaos.
type plan struct {
	orders  int
	rate    int           // orders accepted per second: the run must be long enough for kills
	workers int           // processes
	kill    time.Duration // between two SIGKILLs; 0: none
	frozen  float64       // share of attacks that are a SIGSTOP for up to twice the lease
	calm    time.Duration // from the last order to the end of kills and faults; 0: never
	faults  float64       // share of the gateway's calls with a fault, at most: some happen at one endpoint only
	late    time.Duration // the delay of the gateway's late faults
	latency string        // of the gateway
	twice   float64       // share of orders delivered twice
	unwoken float64       // share of orders whose wake-up is lost
	cancels float64       // share of orders that somebody cancels within seconds
	pauses  int           // how often somebody pauses the merchant, or one of its pay types
	urgent  float64       // share of orders whose deadline passes within seconds
	lost    string        // QFPAY_LOST_RESPONSE
	seed    uint64        // for faults, orders and victims
	drain   bool          // wait until asynq has no tasks
	within  time.Duration // after it, the run fails
	naive   bool          // with the naive worker instead of qfpay-worker
	still   time.Duration // a naive run ends after this time without a result: lost results never arrive
}

// shortPlan is the chaos in every run of the tests.
var shortPlan = plan{
	orders: 300, rate: 30, workers: 3, kill: 500 * time.Millisecond, calm: time.Second,
	faults: 0.10, late: 2 * time.Second, latency: "20ms-300ms",
	twice: 0.03, unwoken: 0.01, urgent: 0.03, cancels: 0.1, pauses: 2, lost: "auto", seed: 1, within: 3 * time.Minute, still: 6 * time.Second,
}

// given is the plan of TestChaos_EveryOrderHasOneTrueResult: the short one, changed by flags.
var given = shortPlan

func init() {
	flag.IntVar(&given.orders, "chaos.orders", given.orders, "orders")
	flag.IntVar(&given.rate, "chaos.rate", given.rate, "orders accepted a second")
	flag.IntVar(&given.workers, "chaos.workers", given.workers, "worker processes")
	flag.DurationVar(&given.kill, "chaos.kill", given.kill, "time between two SIGKILLs; 0: none")
	flag.Float64Var(&given.frozen, "chaos.frozen", given.frozen, "share of attacks that are a SIGSTOP for up to twice the lease")
	flag.DurationVar(&given.calm, "chaos.calm", given.calm, "so long after the last order kills and faults end; 0: never")
	flag.Float64Var(&given.faults, "chaos.faults", given.faults, "share of the gateway's calls that go wrong, at most")
	flag.DurationVar(&given.late, "chaos.late", given.late, "how late the gateway's late faults are")
	flag.StringVar(&given.latency, "chaos.latency", given.latency, "latency of the gateway")
	flag.Float64Var(&given.twice, "chaos.twice", given.twice, "share of orders delivered twice")
	flag.Float64Var(&given.unwoken, "chaos.unwoken", given.unwoken, "share of orders whose wake-up is lost")
	flag.Float64Var(&given.cancels, "chaos.cancels", given.cancels, "share of orders that somebody cancels within seconds")
	flag.IntVar(&given.pauses, "chaos.pauses", given.pauses, "how often somebody pauses the merchant, or one of its pay types")
	flag.Float64Var(&given.urgent, "chaos.urgent", given.urgent, "share of orders whose deadline passes within seconds")
	flag.StringVar(&given.lost, "chaos.lost", given.lost, "QFPAY_LOST_RESPONSE")
	flag.Uint64Var(&given.seed, "chaos.seed", given.seed, "of faults, orders and victims")
	flag.BoolVar(&given.drain, "chaos.drain", given.drain, "wait until asynq holds nothing any more (up to 3 minutes)")
	flag.DurationVar(&given.within, "chaos.within", given.within, "give up after so long")
	flag.BoolVar(&given.naive, "chaos.naive", given.naive, "run the naive worker instead: it must fail")
	flag.DurationVar(&given.still, "chaos.still", given.still, "a naive run is over when nothing has come for so long")
}

// mishaps are the faults of a run, in equal shares, except that the most dangerous ones are
// listed more than once. All except the last two are over within seconds. A run draws no forger:
// without strict verification, a forged code is a code.
var mishaps = []string{
	"land_late", "land_late", "land_late", "drop_after", "slow_visibility",
	"drop", "drop_after", "reset", "reset_after", "land_late", "answer_late", "truncated",
	"html", "html_after", "no_qrcode", "wrong_echo", "bad_signature", "no_signature",
	"slow_visibility", "notify_first", "http_429", "http_500", "http_502_after", "http_503_after",
	"respcd_1102", "respcd_1298", "respcd_1298_live", "respcd_1298_unsaid", "respcd_1205_failed",
	"respcd_1294", "respcd_1294_live", "respcd_7777",
	// Answers that are odd. A mishap at one endpoint is drawn only there.
	"respcd_1204_live", "respcd_1147", "respcd_2999_live", "respcd_1147_http_422", "http_422_after", "status_201",
	"empty_body", "gzip", "gzip_unsaid", "gzip_untrue", "encoding_odd", "bom",
	"code_url", "qrcode_newline", "txamt_number", "number_case", "respmsg_list", "chnlsn_false", "sysdtm_object",
	"data_missing", "data_null", "data_object", "data_renamed", "order_type_odd", "page_text", "unscanned", "young",
	"txamt_float", "txamt_zeros", "txamt_major", "currency_lower", "currency_number", "respmsg_false", "status_202",
	// Statuses of a proxy, words that say more than the code, and refusals that concern a part.
	"http_303_after", "http_307_after", "http_400_after", "http_403_after", "http_404_after", "http_400", "http_403",
	"respcd_1251_unsaid:订单号重复", "respcd_1104_unsaid:out_trade_no already exists", "respcd_1104:filter error", "respcd_2012", "respcd_1108",
	"respcd_1203", "respcd_1100", // the breaker holds the merchant; maintenance, retry in half a minute
}

const lastingMishaps = 2

// faultArgs are the simulator's flags for the plan's share of faults.
func (p plan) faultArgs() []string {
	if p.faults == 0 {
		return nil
	}
	kinds := mishaps
	if p.orders < 1000 { // a short run must not wait half a minute for one order
		kinds = kinds[:len(kinds)-lastingMishaps]
	}
	shares := map[string]float64{}
	for _, kind := range kinds {
		shares[kind] += p.faults / float64(len(kinds))
	}
	var args []string
	for _, kind := range slices.Sorted(maps.Keys(shares)) {
		args = append(args, fmt.Sprintf("--fault=%s=%g", kind, shares[kind]))
	}
	return args
}

// gatewayArgs are the simulator's flags.
func (p plan) gatewayArgs() []string {
	return append(p.faultArgs(), "--per-second=0", "--per-minute=0", "--latency="+p.latency,
		"--late="+p.late.String(), fmt.Sprintf("--seed=%d", p.seed))
}

// workerSettings are additional settings: leases are short, and no order waits for quota. In the build with
// failpoints the life of a QR code is short, too: a wallet's five minutes before a close are 0.2 s.
func (p plan) workerSettings() []string {
	return []string{"QFPAY_TIMEOUT=1s", "QFPAY_PER_SECOND=0", "QFPAY_PER_MINUTE=0",
		"QFPAY_LOST_RESPONSE=" + p.lost, "WORKER_SHUTDOWN_TIMEOUT=12s", "QFPAY_MINUTE=40ms"}
}
