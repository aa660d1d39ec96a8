package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// sample makes the orders of a plan: all seven pay types, both lanes.
func (p plan) sample() []tasks.Order {
	orders := make([]tasks.Order, p.orders)
	types, lanes := qfpay.PayTypes(), tasks.Lanes()
	for i := range orders {
		orders[i] = tasks.Order{
			Order: qfpay.Order{OutTradeNo: fmt.Sprintf("C-%06d", i), PayType: types[i%len(types)],
				TxAmt: int64(300 + i), TxCurrCd: "HKD", GoodsName: "奶茶"},
			Lane: lanes[i/len(types)%len(lanes)],
		}
		if n := i % 4; n > 0 {
			orders[i].Batch = fmt.Sprint("run-", n)
		}
	}
	return orders
}

func wantedOf(o tasks.Order) wanted {
	return wanted{o.OutTradeNo, string(o.PayType), fmt.Sprint(o.TxAmt), o.TxCurrCd}
}

// produce enqueues the orders at the plan's rate, some of them with errors of a producer.
func (c *chaos) produce(ctx context.Context) error {
	luck := rand.New(rand.NewPCG(c.seed, 2))
	tick := time.NewTicker(time.Second / time.Duration(c.rate))
	defer tick.Stop()
	for _, o := range c.orders {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil // the run has failed, and reports it
		}
		o.Deadline = time.Now().Add(time.Hour)
		if luck.Float64() < c.urgent {
			o.Deadline = time.Now().Add(time.Second + rand.N(5*time.Second))
		}
		deliver := c.deliver
		if c.naive {
			deliver = c.deliverNaively
		}
		if err := deliver(ctx, o.WithDefaults(time.Now()), luck.Float64()); err != nil {
			return err
		}
	}
	return nil
}

// deliver accepts an order, and at random loses or doubles its wake-up.
func (c *chaos) deliver(ctx context.Context, o tasks.Order, luck float64) error {
	producer := tasks.NewProducer(c.rdb, keys)
	if luck < c.unwoken {
		_, err := producer.Accept(ctx, o) // as if its producer had died, or its task was deleted
		return err
	}
	_, err := producer.Enqueue(ctx, o)
	if err != nil || luck > c.unwoken+c.twice {
		return err
	}
	if luck < c.unwoken+c.twice/2 { // a producer that repeats the order
		if again, err := producer.Enqueue(ctx, o); err != nil || again.Status != tasks.Duplicate {
			return fmt.Errorf("%s again: %q, %v", o.OutTradeNo, again, err)
		}
		return nil
	}
	// Two tasks of one order, in different queues, which is the most that can run at once.
	payload, err := c.rdb.HGet(ctx, keys.Order(o.ID()), "order").Bytes()
	if err != nil {
		return err
	}
	other := tasks.Bulk
	if o.Lane == other {
		other = tasks.Interactive
	}
	_, err = asynq.NewClientFromRedisClient(c.rdb).EnqueueContext(ctx, asynq.NewTask(tasks.TypeCreate, payload),
		asynq.Queue(keys.Queue(other)), asynq.TaskID(o.ID()+":again"))
	return err
}

// deliverNaively only adds an order to asynq's queue.
func (c *chaos) deliverNaively(ctx context.Context, o tasks.Order, luck float64) error {
	task, err := naiveTask(o)
	if err != nil {
		return err
	}
	client := asynq.NewClientFromRedisClient(c.rdb)
	times := 1
	if luck < c.twice {
		times = 2
	}
	for n := range times {
		_, err := client.EnqueueContext(ctx, task, asynq.Queue(keys.Queue(o.Lane)), asynq.TaskID(o.ID()))
		if err != nil && n == 0 {
			return err
		}
	}
	return nil
}
