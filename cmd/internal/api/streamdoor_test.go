package api

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// byStream puts orders on the request stream as JSON.
func byStream(r *rig, orders []string) []string {
	return r.viaStream(orders, func(order string) []string { return []string{"order", order} })
}

// byFields puts orders on the request stream with one field for each of theirs. What only
// JSON can say, or get wrong, goes as JSON.
func byFields(r *rig, orders []string) []string {
	byField := 0
	defer func() {
		if len(orders) >= 60 && byField < 40 {
			r.t.Errorf("%d of %d orders went field by field", byField, len(orders))
		}
	}()
	return r.viaStream(orders, func(order string) []string {
		if fields, ok := fieldsOf(order); ok {
			byField++
			return fields
		}
		return []string{"order", order}
	})
}

// fieldsOf returns the keys and values of a JSON object by turns, if text says all of them.
func fieldsOf(order string) (fields []string, ok bool) {
	d := json.NewDecoder(strings.NewReader(order))
	d.UseNumber()
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') || !json.Valid([]byte(order)) {
		return nil, false
	}
	for d.More() {
		name, _ := d.Token()
		value, _ := d.Token()
		switch v := value.(type) {
		case string:
			fields = append(fields, name.(string), v)
		case json.Number: // of a field that takes numbers, and written as a whole one
			if _, err := v.Int64(); err != nil || name != "txamt" && name != "expired_time" {
				return nil, false
			}
			fields = append(fields, name.(string), v.String())
		default:
			return nil, false
		}
	}
	return fields, len(fields) > 0
}

// viaStream puts orders on the request stream, for a worker that takes them in. It has none
// of their merchants, so that it leaves them as they are.
func (r *rig) viaStream(orders []string, entry func(order string) []string) []string {
	at := map[string]int{}
	for i, order := range orders {
		id, err := r.rdb.XAdd(r.t.Context(), &redis.XAddArgs{Stream: keys.Requests(), Values: entry(order)}).Result()
		if err != nil {
			r.t.Fatal(err)
		}
		at[id] = i
	}
	stop := r.takeIn()
	defer stop()
	for end := time.Now().Add(time.Minute); r.rdb.XLen(r.t.Context(), keys.Requests()).Val() > 0; {
		if time.Now().After(end) {
			r.t.Fatal("requests are left after a minute")
		}
		time.Sleep(time.Millisecond) // the pause of a poll
	}
	reasons := make([]string, len(orders))
	for _, refused := range r.rdb.XRange(r.t.Context(), keys.Rejected(), "-", "+").Val() {
		if i, ours := at[refused.Values["id"].(string)]; ours {
			reasons[i] = refused.Values["reason"].(string)
		}
	}
	return reasons
}

// takeIn runs a worker of a merchant that no order names.
func (r *rig) takeIn() (stop func()) {
	queue := r.redis.Client(r.t)
	w, err := worker.New(worker.Config{Redis: r.rdb, Queue: queue, Blocking: r.redis.Client(r.t), Keys: keys,
		Merchants:   []worker.Merchant{{Merchant: qfpay.Merchant{Name: "nobody-s", BaseURL: "http://127.0.0.1:1", AppCode: "A", Key: "k"}}},
		CallTimeout: time.Second, LostResponse: worker.Auto, UniqueNumbers: true, Concurrency: 4, ShutdownTimeout: 2 * time.Second})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
		w.Close()
	}
}
