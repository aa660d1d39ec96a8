package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// TestChaos_FindsOutANaiveWorker runs the same chaos with a simple first version of a worker. A
// check that this worker passes proves nothing about the real one. The gateway's faults go on until
// the end: on a busy machine, kills leave most orders to the workers that come after the last kill.
func TestChaos_FindsOutANaiveWorker(t *testing.T) {
	t.Parallel()
	p := shortPlan
	p.naive, p.orders, p.rate, p.kill, p.faults, p.unwoken, p.cancels, p.pauses = true, 200, 50, 300*time.Millisecond, 0.3, 0, 0, 0
	c := startChaos(t, p)
	c.rage()
	c.settleDown()
	found := c.audit().violations()
	t.Logf("\n%s", c.figures(found))
	broken := rules(found)
	if !slices.Contains(broken, ruleFalse) || !slices.Contains(broken, ruleLost) && !slices.Contains(broken, ruleDoubled) {
		t.Errorf("the chaos did not find the errors of the naive worker; it violated only: %q", broken)
	}
}

// naiveName is the name under which this program runs as the naive worker.
const naiveName = "naive-worker"

// naiveProgram adds this program to the binaries under that name.
func naiveProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, naiveName)); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	return naiveName
}

func naiveTask(o tasks.Order) (*asynq.Task, error) {
	payload, err := json.Marshal(o)
	return asynq.NewTask(tasks.TypeCreate, payload), err
}

// workNaively is a worker without a journal: it creates, publishes, and relies on asynq's
// retries.
func workNaively() {
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	rdb := redis.NewClient(options)
	client := &qfpay.Client{Timeout: time.Second, Merchant: qfpay.Merchant{Name: tasks.DefaultMerchant,
		BaseURL: os.Getenv("QFPAY_BASE_URL"), AppCode: os.Getenv("QFPAY_APP_CODE"), Key: qfpay.Secret(os.Getenv("QFPAY_CLIENT_KEY"))}}
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency:       64,
		Queues:            map[string]int{keys.Queue(tasks.Interactive): 1, keys.Queue(tasks.Bulk): 1},
		TaskCheckInterval: 50 * time.Millisecond,
		// Retries are as frequent as asynq allows, because every process lives only a short time.
		DelayedTaskCheckInterval: time.Second,
		RetryDelayFunc:           func(int, error, *asynq.Task) time.Duration { return time.Second },
		LogLevel:                 asynq.FatalLevel,
	})
	err = server.Run(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		return createNaively(ctx, client, rdb, task.Payload())
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// createNaively tries again without an answer, and treats a refusal as a failure.
func createNaively(ctx context.Context, client *qfpay.Client, rdb *redis.Client, payload []byte) error {
	var o tasks.Order
	if err := json.Unmarshal(payload, &o); err != nil {
		return err
	}
	p, err := client.CreatePayment(ctx, o.Order, nil)
	var refusal *qfpay.Refusal
	r := tasks.Result{V: tasks.ResultVersion, ID: o.ID(), Merchant: o.Merchant, OutTradeNo: o.OutTradeNo, IssuedAs: o.OutTradeNo,
		PayType: string(o.PayType), TxAmt: fmt.Sprint(o.TxAmt), TxCurrCd: o.TxCurrCd}
	switch {
	case err == nil:
		r.Outcome, r.QRCode, r.Syssn, r.RespCd = string(tasks.Created), p.QRCode, p.Syssn, string(p.RespCd)
	case errors.As(err, &refusal):
		r.Outcome, r.RespCd, r.Reason = string(tasks.Rejected), string(refusal.RespCd), "refused by QFPay"
	default:
		return err
	}
	return rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Results(), Values: r.Values()}).Err()
}
