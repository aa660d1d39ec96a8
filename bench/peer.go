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

// Where the peer's results go, and the queue it works on.
const (
	peerResults = "peer:results"
	peerQueue   = "default"
)

// peerCmd is what people write first: an asynq handler that signs an order, posts it
// and adds the answer to a stream. It promises nothing: an order may be submitted
// twice, or its QR code lost. That is what the worker's own cost is measured against.
type peerCmd struct {
	Redis       string        `required:"" help:"host:port"`
	Gateway     string        `required:"" help:"URL"`
	Concurrency int           `help:"0: asynq's default, one a CPU."`
	Poll        time.Duration `help:"0: asynq's default, a second."`
}

// Run works until ctx ends.
func (c *peerCmd) Run(ctx context.Context) error {
	rdb := redis.NewClient(&redis.Options{Addr: c.Redis, PoolSize: max(20, c.Concurrency+8)})
	defer rdb.Close()
	// net/http keeps two connections to a host unless told otherwise, and a peer that
	// dials for each order would be a weak one.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 128
	p := &peer{rdb: rdb, url: c.Gateway + "/trade/v1/payment", http: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: c.Concurrency, TaskCheckInterval: c.Poll, LogLevel: asynq.WarnLevel})
	if err := server.Start(p); err != nil {
		return err
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

type peer struct {
	rdb  *redis.Client
	url  string
	http *http.Client
}

// ProcessTask implements asynq.Handler.
func (p *peer) ProcessTask(ctx context.Context, t *asynq.Task) error {
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
	return p.rdb.XAdd(ctx, &redis.XAddArgs{Stream: peerResults, Values: []any{
		"out_trade_no", o.OutTradeNo, "qrcode", answer.QRCode, "syssn", answer.Syssn,
		"respcd", answer.RespCd, "response", string(body),
	}}).Err()
}

// post signs an order and sends it.
func (p *peer) post(ctx context.Context, o tasks.Order) ([]byte, error) {
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
