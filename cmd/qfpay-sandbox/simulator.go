package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// SimulatorCmd is `qfpay-sandbox simulator`: the simulated gateway on a port.
type SimulatorCmd struct {
	Addr       string            `default:"127.0.0.1:8088" help:"Address to listen on. Clients that reach it can create orders; /_simulator/ is for loopback only."`
	AppCode    string            `help:"app_code of the merchant. Default: the sample merchant's."`
	ClientKey  string            `help:"client_key of the merchant. Default: the sample merchant's, which is not secret."`
	MchID      []string          `name:"mchid" help:"mchid that was issued to the merchant; may be repeated. Without it, no mchid may be sent."`
	Merchants  int               `default:"1" help:"Number of sample merchants. Their app_codes differ in the last hexadecimal digits."`
	Seed       uint64            `help:"Seed of faults and latencies: the same requests in the same order get the same ones."`
	Latency    simulator.Latency `help:"Latency of every call, such as 50ms-300ms." default:"0s"`
	Fault      []string          `help:"[ENDPOINT.]NAME[@WHICH]=PROBABILITY; may be repeated. The names are below." placeholder:"drop_after=0.02"`
	Late       time.Duration     `default:"15s" help:"Delay of the late faults."`
	PerSecond  int               `default:"100" help:"Calls per second for each app_code; 0: no limit."`
	PerMinute  int               `default:"400" help:"Calls per minute for each app_code; 0: no limit."`
	RetryAfter string            `default:"none" enum:"none,seconds,date" help:"Send Retry-After with HTTP 429 and 503 (${enum})."`
	Duplicate  string            `default:"1102" help:"Answer to a repeated out_trade_no: 1102, 2011, 1251, state, reissue, none, or CODE:TEXT such as 1251:订单号重复."`
	CreateSign []string          `help:"Hash that creates may have, SHA256 or MD5; may be repeated. Default: both." placeholder:"MD5"`
	GoodsName  string            `default:"page" enum:"letters,page,asis" help:"goods_names that are taken: letters, digits and Chinese characters; with _ too, as QFPay's samples have it; or any of 64 bytes (${enum})."`
	MaxNumber  int               `default:"128" help:"Longest out_trade_no that is taken."`
	NoURL      bool              `name:"no-notify-url" help:"Refuse a create that has a notify_url."`
	Visibility time.Duration     `help:"How long queries do not show a new order."`
	Sign       string            `default:"body" enum:"body,sha256,sorted-data,wrong,none" help:"How answers are signed (${enum})."`
	NotifyURL  string            `help:"Where notifications of payments are sent. Default: nowhere."`
	FromOrder  bool              `name:"notify-from-order" help:"Prefer the notify_url of an order, if it has one."`
	Pay        float64           `help:"Share of the orders that customers pay, from 0 to 1."`
	PayAfter   simulator.Latency `help:"Time until an order is paid, and until a paid one is paid again or refunded." default:"1s-30s"`
	PayAgain   float64           `help:"Share of the paid orders that are paid twice."`
	PayLate    float64           `help:"Share of the unpaid orders that are paid after their code has run out."`
	Refund     float64           `help:"Share of the paid orders that are refunded."`
}

// Help returns the text below the flags: all faults.
func (*SimulatorCmd) Help() string {
	return "Faults, each as [ENDPOINT.]NAME[@WHICH]=PROBABILITY. ENDPOINT is payment, query, close, reversal or refund. " +
		"WHICH is a pay type, or an out_trade_no in which * stands for anything:\n\n" +
		"    --fault 'payment.respcd_1104:filter error@800201=1' --fault 'http_403_after@A17*=0.5'\n\n" +
		"    " + strings.Join(simulator.FaultList(), "\n    ")
}

// Validate implements kong's check of a command's flags.
func (c *SimulatorCmd) Validate() error {
	config, err := c.config()
	if err != nil {
		return err
	}
	return config.Validate()
}

// config returns the simulator's configuration for the flags.
func (c *SimulatorCmd) config() (simulator.Config, error) {
	faults, err := simulator.ParseFaults(c.Fault...)
	if err != nil {
		return simulator.Config{}, err
	}
	if c.Merchants < 1 || c.Merchants > 10_000 {
		return simulator.Config{}, fmt.Errorf("--merchants: must be 1 to 10000, not %d", c.Merchants)
	}
	if c.PerSecond < 0 || c.PerMinute < 0 {
		return simulator.Config{}, errors.New("--per-second and --per-minute: must not be negative; 0 is no limit")
	}
	merchants := simulator.SampleAccounts(c.Merchants)
	if c.AppCode != "" {
		merchants[0].AppCode = c.AppCode
	}
	if c.ClientKey != "" {
		merchants[0].Key = qfpay.Secret(c.ClientKey)
	}
	merchants[0].MchIDs = c.MchID
	takes, err := c.takes()
	if err != nil {
		return simulator.Config{}, err
	}
	retryAfter := simulator.RetryAfter(c.RetryAfter)
	if c.RetryAfter == "none" {
		retryAfter = simulator.RetryAfterNone
	}
	return simulator.Config{
		Merchants: merchants, Seed: c.Seed, Latency: c.Latency, Faults: faults, Late: c.Late,
		PerSecond: orNoLimit(c.PerSecond), PerMinute: orNoLimit(c.PerMinute), RetryAfter: retryAfter,
		Takes: takes, Duplicate: simulator.DuplicateAnswer(c.Duplicate), Visibility: c.Visibility,
		SignResponses: simulator.SignResponses(c.Sign),
		Notify:        simulator.Notify{URL: c.NotifyURL, FromOrder: c.FromOrder},
		Customers:     simulator.Customers{Pay: c.Pay, After: c.PayAfter, Again: c.PayAgain, Late: c.PayLate, Refund: c.Refund},
	}, nil
}

// takes returns what a create may have.
func (c *SimulatorCmd) takes() (simulator.Takes, error) {
	takes := simulator.Takes{GoodsName: simulator.GoodsNames(c.GoodsName), Number: c.MaxNumber, NoNotifyURL: c.NoURL}
	for _, sign := range c.CreateSign {
		if sign != string(qfpay.SHA256) && sign != string(qfpay.MD5) {
			return takes, fmt.Errorf("--create-sign: must be SHA256 or MD5, not %q", sign)
		}
		if takes.SignTypes == nil {
			takes.SignTypes = map[qfpay.PayType][]qfpay.SignType{}
		}
		for _, p := range qfpay.PayTypes() {
			takes.SignTypes[p] = append(takes.SignTypes[p], qfpay.SignType(sign))
		}
	}
	return takes, nil
}

func orNoLimit(n int) int {
	if n == 0 {
		return simulator.NoLimit
	}
	return n
}

// Run serves until ctx ends.
func (c *SimulatorCmd) Run(ctx context.Context, std stdio) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	gateway := simulator.New(config)
	fmt.Fprintf(printable.Writer(std.err), "QFPay simulator on http://%s, app_code %s, faults: %s\n",
		listener.Addr(), config.Merchants[0].AppCode, orNone(c.Fault))
	return serveGateway(ctx, gateway, listener)
}

func orNone(faults []string) string {
	if len(faults) == 0 {
		return "none"
	}
	return strings.Join(faults, " ")
}

// serveGateway serves until ctx ends, and then waits up to a second for calls in flight.
func serveGateway(ctx context.Context, gateway *simulator.Gateway, listener net.Listener) error {
	var notifier sync.WaitGroup
	notifying, stopNotifier := context.WithCancel(ctx)
	notifier.Go(func() { gateway.RunNotifier(notifying, &http.Client{}) })
	defer notifier.Wait()
	defer stopNotifier()

	server := &http.Server{Handler: gateway, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(last) != nil { // a late fault is still pending
		return server.Close()
	}
	return nil
}
