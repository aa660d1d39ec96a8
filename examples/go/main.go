// Enqueues 100 orders on the request stream and reads their 100 results.
//
// Run: REDIS_URL=redis://127.0.0.1:6379/0 go run ./examples/go [CONSUMER]
//
// With WORKER_PAYMENTS=on, as the worker has it, it then waits for what becomes of the codes.
// It ends with 0 when every order has its QR code, else with 1. A producer in Go may as well
// use tasks.Producer, which answers for each order at once; this one does what a producer
// in any other language does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/mdp/qrterminal/v3"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

const (
	orders   = 100
	group    = "example-go"
	patience = 150 * time.Second // an interactive order has its result, whatever it is, after two minutes or a little more
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	options, err := redis.ParseURL(variable("REDIS_URL", "redis://127.0.0.1:6379/0"))
	if _, ok := errors.AsType[*url.Error](err); ok { // it quotes the URL, with the password in it
		return errors.New("REDIS_URL: is not valid; special characters in it must be percent-encoded")
	}
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	rdb := redis.NewClient(options)
	defer rdb.Close()
	keys := tasks.Keys{Prefix: variable("WORKER_KEY_PREFIX", tasks.DefaultPrefix)}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// The group comes before the orders, so that no result is missed.
	err = rdb.XGroupCreateMkStream(ctx, keys.Results(), group, "$").Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return err
	}
	began, err := rdb.Time(ctx).Result()
	if err != nil {
		return err
	}
	waiting, err := enqueue(ctx, rdb, keys)
	if err != nil {
		return err
	}
	created, err := read(ctx, rdb, keys, waiting)
	if err != nil {
		return err
	}
	if len(created) > 0 {
		fmt.Println(created[0].OutTradeNo, created[0].QRCode)
		qrterminal.GenerateHalfBlock(created[0].QRCode, qrterminal.M, os.Stdout)
	}
	if os.Getenv("WORKER_PAYMENTS") == "on" {
		became, err := follow(ctx, rdb, keys, created, fmt.Sprint(began.UnixMilli()))
		if err != nil {
			return err
		}
		fmt.Printf("paid=%d expired=%d closed=%d\n", became[tasks.Paid], became[tasks.Lapsed], became[tasks.Closed])
	}
	fmt.Printf("created=%d missing=%d\n", len(created), len(waiting))
	if len(created) != orders {
		return errors.New("not every order has its QR code")
	}
	return nil
}

// enqueue puts orders on the request stream and returns their ids.
func enqueue(ctx context.Context, rdb *redis.Client, keys tasks.Keys) (map[string]bool, error) {
	ids := map[string]bool{}
	_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := range orders {
			o := tasks.Order{Order: qfpay.Order{OutTradeNo: fmt.Sprintf("GO-%d-%d-%d", time.Now().Unix(), os.Getpid(), i),
				PayType: qfpay.AlipayHK, TxAmt: int64(1000 + i), TxCurrCd: "HKD"},
				Lane: tasks.Interactive} // somebody waits for it: it goes before a backlog in bulk
			text, err := json.Marshal(o)
			if err != nil {
				return err
			}
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: keys.Requests(), Values: []any{"order", text}})
			ids[o.WithDefaults(time.Now()).ID()] = true
		}
		return nil
	})
	return ids, err
}

// read takes results until none is waited for. Reading is at least once: a result may come
// again, and is acknowledged when the callback has returned nil.
func read(ctx context.Context, rdb *redis.Client, keys tasks.Keys, waiting map[string]bool) (created []tasks.Result, err error) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	// A name of its own that is the same after a restart: what it has left is then given to it first.
	// The name of the host is none: a container gets another one each time.
	consumer := "consumer-1"
	if len(os.Args) > 1 {
		consumer = os.Args[1]
	}
	err = tasks.NewResults(rdb, keys).Consume(ctx, group, consumer, func(e tasks.Entry) error {
		if e.Err != nil {
			fmt.Fprintln(os.Stderr, e.Err) // such as an entry that was trimmed before it was acknowledged
			return nil
		}
		if !waiting[e.Result.ID] {
			return nil // somebody else's order, or one that came twice
		}
		delete(waiting, e.Result.ID)
		if e.Result.Outcome == string(tasks.Created) {
			created = append(created, e.Result)
		} else {
			fmt.Fprintln(os.Stderr, e.Result.OutTradeNo, e.Result.Outcome, e.Result.Reason)
		}
		if len(waiting) == 0 {
			done()
		}
		return nil
	})
	if ctx.Err() != nil {
		err = nil // all is read, or time is up
	}
	return created, err
}

// follow counts what becomes of codes: each is paid, expired or closed, once. IDs of entries are times, so
// from is one. An event may come again after a failure, and refunds may follow: open takes care of both.
func follow(ctx context.Context, rdb *redis.Client, keys tasks.Keys, created []tasks.Result, from string) (map[tasks.PaymentEvent]int, error) {
	became, open, all := map[tasks.PaymentEvent]int{}, map[string]bool{}, errors.New("all were paid, or cannot be any more")
	for _, r := range created {
		open[r.Merchant+":"+r.OutTradeNo] = true
	}
	if len(open) == 0 {
		return became, nil
	}
	err := tasks.NewPayments(rdb, keys).Follow(ctx, from, func(e tasks.PaymentEntry) error {
		if event := tasks.PaymentEvent(e.Payment.Event); event.Final() && open[e.Payment.OrderID()] {
			delete(open, e.Payment.OrderID())
			became[event]++
		}
		if len(open) == 0 {
			return all
		}
		return nil
	})
	if errors.Is(err, all) {
		err = nil
	}
	return became, err
}

func variable(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
