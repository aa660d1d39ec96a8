package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The result stream of the baseline, and its queue.
const (
	baselineResults = "baseline:results"
	baselineQueue   = "default"
)

// baselineCmd is a simple first version of a worker: an asynq handler that signs an order,
// posts it and adds the answer to a stream. It guarantees nothing: it may create an order
// twice, or lose its QR code. The cost of the worker is measured against it.
type baselineCmd struct {
	Redis       string        `required:"" help:"host:port"`
	Gateway     string        `required:"" help:"URL"`
	Concurrency int           `help:"0: asynq's default, one a CPU."`
	Poll        time.Duration `help:"0: asynq's default, a second."`
}

// Run works until ctx ends.
func (c *baselineCmd) Run(ctx context.Context) error {
	rdb := redis.NewClient(&redis.Options{Addr: c.Redis, PoolSize: max(20, c.Concurrency+8)})
	defer rdb.Close()
	// By default, net/http keeps two connections to a host. A baseline that dials for each
	// order would be too weak.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 128
	p := &baseline{rdb: rdb, url: c.Gateway + "/trade/v1/payment", http: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: c.Concurrency, TaskCheckInterval: c.Poll, LogLevel: asynq.WarnLevel})
	if err := server.Start(p); err != nil {
		return err
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

type baseline struct {
	rdb  *redis.Client
	url  string
	http *http.Client
}

// ProcessTask implements asynq.Handler.
func (p *baseline) ProcessTask(ctx context.Context, t *asynq.Task) error {
	var o tasks.Order
	if err := json.Unmarshal(t.Payload(), &o); err != nil {
		return fmt.Errorf("%w: %w", asynq.SkipRetry, err)
	}
	body, err := p.post(ctx, o)
	if err != nil {
		return err
	}
	var answer struct{ RespCd, QRCode, Syssn string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if answer.RespCd != "0000" {
		return fmt.Errorf("respcd %s", answer.RespCd)
	}
	return p.rdb.XAdd(ctx, &redis.XAddArgs{Stream: baselineResults, Values: []any{
		"out_trade_no", o.OutTradeNo, "qrcode", answer.QRCode, "syssn", answer.Syssn,
		"respcd", answer.RespCd, "response", string(body),
	}}).Err()
}

// post signs an order and sends it.
func (p *baseline) post(ctx context.Context, o tasks.Order) ([]byte, error) {
	params := qfpay.Params{"out_trade_no": o.OutTradeNo, "pay_type": string(o.PayType), "txdtm": o.TxDtm,
		"txamt": strconv.FormatInt(o.TxAmt, 10), "txcurrcd": o.TxCurrCd, "goods_name": o.GoodsName}
	form := url.Values{}
	for name, value := range params {
		if value != "" {
			form.Set(name, value)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-QF-APPCODE", simulator.SampleAppCode)
	req.Header.Set("X-QF-SIGNTYPE", string(qfpay.SHA256))
	req.Header.Set("X-QF-SIGN", qfpay.SHA256.Sign(params, simulator.SampleKey))
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the gateway answered %s", resp.Status)
	}
	return body, err
}
