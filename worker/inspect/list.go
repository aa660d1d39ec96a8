package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// Listed is one order of a list: what its journal and, once it is settled, its result say of it.
// Times are on Redis's clock, in UTC.
type Listed struct {
	ID          string        `json:"id"` // merchant:out_trade_no
	Merchant    string        `json:"merchant"`
	OutTradeNo  string        `json:"out_trade_no"`
	State       string        `json:"state"` // NEW, SENT, CLOSING or DONE; damaged: it was put aside
	Outcome     tasks.Outcome `json:"outcome,omitempty"`
	PayType     qfpay.PayType `json:"pay_type"`
	TxAmt       int64         `json:"txamt"`
	TxCurrCd    string        `json:"txcurrcd"`
	Lane        tasks.Lane    `json:"lane"`
	Batch       string        `json:"batch,omitempty"`
	DeferredFor string        `json:"deferred_for,omitempty"`
	AcceptedAt  time.Time     `json:"accepted_at,omitzero"`
	NotBefore   time.Time     `json:"not_before,omitzero"`
	SettledAt   time.Time     `json:"settled_at,omitzero"`
	Payment     string        `json:"payment,omitempty"` // open, paid, expired or closed; empty: it has no code that is followed
	PaidAt      string        `json:"paid_at,omitempty"` // by QFPay's clock

	// Of the result, as long as the stream has it.
	IssuedAs  string `json:"issued_as,omitempty"`
	Syssn     string `json:"syssn,omitempty"`
	RespCd    string `json:"respcd,omitempty"`
	Reason    string `json:"reason,omitempty"`
	QRExpires string `json:"qr_expires_at,omitempty"`
}

// Changed is when the order was settled or, until then, accepted.
func (l Listed) Changed() time.Time {
	if l.SettledAt.IsZero() {
		return l.AcceptedAt
	}
	return l.SettledAt
}

// StateDamaged is the state in a list of an order that was put aside because its journal is damaged.
const StateDamaged = "damaged"

// Waiting are the states of orders without a result that workers go on with.
func Waiting() []string { return []string{"NEW", "SENT", "CLOSING"} }

// States are all states that a list may show.
func States() []string { return append(Waiting(), "DONE", StateDamaged) }

// PaymentStates are all states of published codes that are followed.
func PaymentStates() []string {
	return []string{"open", string(tasks.Paid), string(tasks.Lapsed), string(tasks.Closed)}
}

// Filter says which orders a list has. The zero Filter means all orders.
type Filter struct {
	Outcomes []tasks.Outcome // none: any, and orders without a result too
	States   []string        // of [States]; none: any
	Payments []string        // of [PaymentStates], of the published code; none: any, and orders without one too
	Merchant string          // empty: any
	Batch    string          // empty: any
	Since    time.Time       // settled, or accepted if they have no result, at or after it; zero: any
}

// matches reports whether an order belongs to the list.
func (f Filter) matches(l Listed) bool {
	return (len(f.Outcomes) == 0 || slices.Contains(f.Outcomes, l.Outcome)) &&
		(len(f.States) == 0 || slices.Contains(f.States, l.State)) &&
		(len(f.Payments) == 0 || slices.Contains(f.Payments, l.Payment)) &&
		(f.Merchant == "" || f.Merchant == l.Merchant) && (f.Batch == "" || f.Batch == l.Batch) &&
		(f.Since.IsZero() || !l.Changed().Before(f.Since))
}

// unsettled reports whether the list has orders without a result only, so that the journals of settled
// orders need not be read.
func (f Filter) unsettled() bool {
	return len(f.Outcomes)+len(f.Payments) == 0 && len(f.States) > 0 && !slices.Contains(f.States, "DONE")
}

// listBatch is how many orders one round trip reads.
const listBatch = 250

// List calls each for every order that the filter matches, in no particular sequence, until each
// returns an error. It keeps none of them: there may be a million. Each order is read as it is when its
// turn comes; one that is accepted meanwhile may be missing. While Redis grows or shrinks its tables, it
// may return an order twice.
func (i *Inspector) List(ctx context.Context, f Filter, each func(Listed) error) error {
	node, err := redisserver.ForKey(ctx, i.rdb, i.keys.Due()) // SCAN has no key: a Cluster client would send it anywhere
	if err != nil {
		return err
	}
	l := &lister{Inspector: i, node: node, filter: f, each: each}
	if !f.unsettled() {
		return l.journals(ctx)
	}
	for _, set := range []string{i.keys.Due(), i.keys.Damaged()} {
		if err := l.set(ctx, set); err != nil {
			return err
		}
	}
	return nil
}

// lister is one list in progress.
type lister struct {
	*Inspector
	node   redis.UniversalClient
	filter Filter
	each   func(Listed) error
}

// journals lists the orders that have a journal.
func (l *lister) journals(ctx context.Context) error {
	prefix := l.keys.Order("")
	pattern := prefix + "*"
	if l.filter.Merchant != "" {
		pattern = prefix + l.filter.Merchant + ":*"
	}
	return redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return l.node.Scan(ctx, cursor, pattern, listBatch).Result()
	}, func(found []string) error {
		for n := range found {
			found[n] = strings.TrimPrefix(found[n], prefix)
		}
		return l.list(ctx, found)
	})
}

// set lists the orders of a sorted set.
func (l *lister) set(ctx context.Context, key string) error {
	return redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return l.node.ZScan(ctx, key, cursor, "", listBatch).Result()
	}, func(found []string) error {
		var ids []string
		for n := 0; n < len(found); n += 2 { // members and scores by turns
			ids = append(ids, found[n])
		}
		return l.list(ctx, ids)
	})
}

// listedFields are the fields of a journal that a list shows.
var listedFields = []string{"state", "outcome", "order", "lane", "batch", "deferred_for", "accepted_at", "settled_at", "not_before", "entry", "payment", "paid_at"}

// list reads orders and passes on those that match.
func (l *lister) list(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	journals, asides := make([]*redis.SliceCmd, len(ids)), make([]*redis.FloatCmd, len(ids))
	_, err := l.node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n, id := range ids {
			journals[n] = pipe.HMGet(ctx, l.keys.Order(id), listedFields...)
			asides[n] = pipe.ZScore(ctx, l.keys.Damaged(), id)
		}
		return nil
	})
	if err != nil && !journal.IsDamage(err) && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("read journals: %w", err)
	}
	var matching []Listed
	var entries []string
	for n, id := range ids {
		f := fields{}
		for i, value := range journals[n].Val() {
			f[listedFields[i]], _ = value.(string)
		}
		order := f.listed(id, asides[n].Err() == nil)
		if order.State != "" && order.State != "RESERVED" && l.filter.matches(order) {
			matching, entries = append(matching, order), append(entries, f["entry"])
		}
	}
	if err := l.results(ctx, matching, entries); err != nil {
		return err
	}
	for _, order := range matching {
		if err := l.each(order); err != nil {
			return err
		}
	}
	return nil
}

// listed is the order as a list shows it. aside says that it was put aside.
func (f fields) listed(id string, aside bool) Listed {
	merchant, outTradeNo, _ := strings.Cut(id, ":")
	l := Listed{ID: id, Merchant: merchant, OutTradeNo: outTradeNo, State: f["state"], Outcome: tasks.Outcome(f["outcome"]),
		Lane: tasks.Lane(f["lane"]), Batch: f["batch"], DeferredFor: f["deferred_for"],
		AcceptedAt: f.moment("accepted_at"), NotBefore: f.moment("not_before"), SettledAt: f.moment("settled_at"), Payment: f["payment"], PaidAt: f["paid_at"]}
	var o struct { // not [tasks.ParseOrder]: a person wants to see a damaged order too
		PayType  qfpay.PayType `json:"pay_type"`
		TxAmt    int64         `json:"txamt"`
		TxCurrCd string        `json:"txcurrcd"`
	}
	json.Unmarshal([]byte(f["order"]), &o)
	l.PayType, l.TxAmt, l.TxCurrCd = o.PayType, o.TxAmt, o.TxCurrCd
	if aside {
		l.State = StateDamaged
	}
	return l
}

// results adds to orders what their results say, by the results' entries in the stream.
func (l *lister) results(ctx context.Context, orders []Listed, entries []string) error {
	found := make([]*redis.XMessageSliceCmd, len(orders))
	_, err := l.node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n, entry := range entries {
			if entry != "" {
				found[n] = pipe.XRange(ctx, l.keys.Results(), entry, entry)
			}
		}
		return nil
	})
	if err != nil && !journal.IsDamage(err) {
		return fmt.Errorf("read results: %w", err)
	}
	for n := range orders {
		if found[n] == nil || len(found[n].Val()) == 0 {
			continue
		}
		if r, err := tasks.ParseResult(found[n].Val()[0]); err == nil {
			o := &orders[n]
			o.IssuedAs, o.Syssn, o.RespCd, o.Reason, o.QRExpires = r.IssuedAs, r.Syssn, r.RespCd, r.Reason, r.QRExpires
		}
	}
	return nil
}
