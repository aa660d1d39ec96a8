package main

import (
	"context"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The lines of the log that name the addresses.
var (
	receivingAt = regexp.MustCompile(`"receiving notifications of QFPay","addr":"([^"]+)"`)
	servingAt   = regexp.MustCompile(`"serving /metrics, /healthz and /readyz","addr":"([^"]+)"`)
)

// The whole path: a code is published, and the sender written in Python from QFPay's page notifies of
// it, and tries to deceive. What it may do reaches the payment stream, once.
func TestNotify_WhatQFPayNotifiesOfReachesThePaymentStream(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is missing; install it with: apt-get install python3")
	}
	redis := redistest.Start(t)
	rdb, keys := redis.Client(t), tasks.Keys{Prefix: tasks.DefaultPrefix}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, log lockedBuffer
	ended := make(chan int, 1)
	env := []string{
		"REDIS_URL=" + redis.URL, "QFPAY_BASE_URL=" + serveHTTP(t, simulator.New(simulator.Config{})), "QFPAY_APP_CODE=" + simulator.SampleAppCode,
		"QFPAY_CLIENT_KEY=" + simulator.SampleKey, "WORKER_HTTP_ADDR=127.0.0.1:0", "LOG_FORMAT=json",
		"WORKER_PAYMENTS=on", "WORKER_NOTIFY_ADDR=127.0.0.1:0",
	}
	go func() {
		ended <- run(ctx, []string{"run"}, env, stdio{in: strings.NewReader(""), out: &out, err: &log})
	}()
	_, err = tasks.NewProducer(rdb, keys).Enqueue(ctx, tasks.Order{Lane: tasks.Interactive,
		Order: qfpay.Order{OutTradeNo: "A1", PayType: qfpay.AlipayOverseas, TxAmt: 2500, TxCurrCd: "HKD"}})
	redistest.OK(t, err)
	eventually(t, "the code is published", func() bool { return rdb.XLen(ctx, keys.Results()).Val() == 1 })
	eventually(t, "the pages are served", func() bool { return servingAt.MatchString(log.String()) })

	said, err := exec.CommandContext(ctx, python, "../internal/notify/testdata/client.py",
		receivingAt.FindStringSubmatch(log.String())[1], "default", simulator.SampleKey, "A1", "2500", "HKD").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var believed []string
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, `"SUCCESS"`) {
			believed = append(believed, strings.Split(line, `"`)[3])
		}
	}
	if d := cmp.Diff([]string{
		"slow", "doubled", "doubled, chunked", "doubled, in lower case",
		"other sequence", "compact", "over several lines", "escaped", "byte order mark", "numbers", "a number with a point", "text with a point",
		"spaces", "currency in lower case", "currency as its number", "not UTF-8", "a form by its header", "with a query", "HTTP/1.0",
		"header in lower case", "asked for leave", "a length and chunks",
		"refund", "refund of 2025", "payment after its refund",
	}, believed); d != "" {
		t.Errorf("%s\n%s", d, said)
	}
	var events []string
	for _, e := range rdb.XRange(ctx, keys.Payments(), "-", "+").Val() {
		events = append(events, e.Values["out_trade_no"].(string)+" "+e.Values["event"].(string)+" "+e.Values["seen_by"].(string))
	}
	if len(events) == 0 || events[0] != "A1 paid notification" || strings.Count(strings.Join(events, ","), "paid") != 1 {
		t.Errorf("the stream has %q", events)
	}
	counted := notificationsCounted(t, servingAt.FindStringSubmatch(log.String())[1])
	if counted["forged"] != 11 || counted["unreadable"] != 3 || counted["malformed"] != 13 || counted["failed"]+counted["untrusted"] != 0 ||
		counted["recorded"]+counted["known"] != len(believed) {
		t.Errorf("counted %v", counted)
	}
	stop()
	if code := <-ended; code != exitDone || strings.Contains(log.String(), simulator.SampleKey) {
		t.Errorf("exit code %d\n%s", code, log.String())
	}
}

// notificationsCounted reads the counters of a process.
func notificationsCounted(t *testing.T, addr string) map[string]int {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("http://" + addr + "/metrics")
	redistest.OK(t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	redistest.OK(t, err)
	counted := map[string]int{}
	for _, m := range regexp.MustCompile(`qfpay_notifications_total\{result="(\w+)"\} (\d+)`).FindAllStringSubmatch(string(page), -1) {
		counted[m[1]], _ = strconv.Atoi(m[2])
	}
	return counted
}
