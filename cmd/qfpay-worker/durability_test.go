package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

const oneOrder = "out_trade_no,pay_type,txamt,txcurrcd\nA1,800101,2500,HKD\n"

func TestRun_RefusesARedisThatIsNotFit(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // should it run all the same
	defer cancel()
	got := commandWith(ctx, strings.NewReader(""), oneMerchant("REDIS_URL="+server.URL, "WORKER_DURABILITY=strict", "WORKER_HTTP_ADDR=127.0.0.1:0"), "run")
	if got.code != exitOutside || got.out != "" {
		t.Errorf("exit code %d, %q", got.code, got.out)
	}
	for _, said := range []string{"is not fit to keep orders:\n", "CONFIG SET maxmemory-policy noeviction", "connected_slaves is 0", "keeps NOTHING on disk"} {
		if !strings.Contains(got.err, said) {
			t.Errorf("%q is not in\n%s", said, got.err)
		}
	}
	if strings.Contains(got.err, canary) || strings.Contains(got.err, "taking orders") {
		t.Errorf("%s", got.err)
	}
}

func TestEnqueue_NeedsAReplicaUnderStrict(t *testing.T) {
	t.Parallel()
	primary := redistest.StartTCP(t)
	env := []string{"REDIS_URL=" + primary.URL, "WORKER_DURABILITY=strict"}
	orders := file(t, "orders.csv", oneOrder)
	got := command(t, env, "enqueue", orders)
	if got.code != exitOutside || !strings.Contains(got.err, "no replica of Redis has confirmed it within 1s") || !strings.Contains(got.err, "enqueue it again") ||
		got.out != "enqueued=0 duplicate=0 invalid=0\n" {
		t.Errorf("without a replica: %+v", got)
	}
	redistest.StartReplica(t, primary.Addr)
	if got := command(t, env, "enqueue", orders); got.code != exitDone || got.out != "enqueued=0 duplicate=1 invalid=0\n" {
		t.Errorf("again, with a replica: %+v", got)
	}
	if got := command(t, []string{"WORKER_DURABILITY=both"}, "enqueue", orders); got.code != exitInput || !strings.Contains(got.err, "WORKER_DURABILITY: must be standard or strict") {
		t.Errorf("%+v", got)
	}
}
