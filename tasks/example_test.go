package tasks_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func ExampleProducer_Enqueue() {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer rdb.Close()
	producer := tasks.NewProducer(rdb, tasks.Keys{Prefix: tasks.DefaultPrefix})

	result, err := producer.Enqueue(context.Background(), tasks.Order{
		Order: qfpay.Order{OutTradeNo: "A1001", PayType: qfpay.AlipayHK, TxAmt: 1250, TxCurrCd: "HKD"},
		Lane:  tasks.Interactive,
	})
	if invalid, ok := errors.AsType[qfpay.FieldErrors](err); ok {
		for _, e := range invalid {
			fmt.Println(e.Field, e.Rule)
		}
		return
	}
	if err != nil {
		fmt.Println("call it again:", err)
		return
	}
	fmt.Println(result.Status) // enqueued, or duplicate if the order exists
}

func ExampleResults_Consume() {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer rdb.Close()
	results := tasks.NewResults(rdb, tasks.Keys{Prefix: tasks.DefaultPrefix})

	err := results.Consume(context.Background(), "checkout", "checkout-1", func(e tasks.Entry) error {
		if e.Err != nil {
			fmt.Println("set aside:", e.Err)
			return nil
		}
		if tasks.Outcome(e.Result.Outcome) == tasks.Created {
			fmt.Println("show to the customer:", e.Result.OutTradeNo, e.Result.QRCode)
		}
		return nil // acknowledged
	})
	fmt.Println(err)
}
