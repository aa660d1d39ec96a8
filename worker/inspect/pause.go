package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Pause is a pause by hand: until somebody ends it, no create leaves for a merchant, or for one of its
// pay types. Queries and closes of orders in doubt still do.
type Pause struct {
	Merchant string        `json:"merchant"`
	PayType  qfpay.PayType `json:"pay_type,omitempty"` // empty: all
	Since    time.Time     `json:"since"`              // on Redis's clock
	By       string        `json:"by"`
}

// field is the pause's name in the hash.
func (p Pause) field() string {
	if p.PayType == "" {
		return p.Merchant
	}
	return p.Merchant + ":" + string(p.PayType)
}

// pauseValue is what the hash says of a pause.
type pauseValue struct {
	Since time.Time `json:"since"`
	By    string    `json:"by"`
}

// readPause reads one field of the hash. Whatever its value is, it is a pause.
func readPause(field, value string) Pause {
	merchant, payType, _ := strings.Cut(field, ":")
	var v pauseValue
	if json.Unmarshal([]byte(value), &v) != nil {
		v = pauseValue{By: value}
	}
	return Pause{Merchant: merchant, PayType: qfpay.PayType(payType), Since: v.Since, By: v.By}
}

// Pause pauses a merchant, or one of its pay types. From here on no process writes an intent for it. It
// returns the pause in force, and whether that is a new one: the first pause stays as it is.
func (i *Inspector) Pause(ctx context.Context, merchant string, payType qfpay.PayType, by string) (Pause, bool, error) {
	p := Pause{Merchant: merchant, PayType: payType, By: by}
	now, err := i.now(ctx)
	if err != nil {
		return p, false, err
	}
	p.Since = now
	value, err := json.Marshal(pauseValue{p.Since, p.By})
	if err != nil {
		return p, false, err
	}
	done, err := i.rdb.HSetNX(ctx, i.keys.Paused(), p.field(), value).Result()
	if err != nil || done {
		return p, done, err
	}
	before, err := i.rdb.HGet(ctx, i.keys.Paused(), p.field()).Result()
	if errors.Is(err, redis.Nil) { // it has ended in between
		return i.Pause(ctx, merchant, payType, by)
	}
	return readPause(p.field(), before), false, err
}

// now is the time on Redis's clock.
func (i *Inspector) now(ctx context.Context) (time.Time, error) {
	node, err := redisserver.ForKey(ctx, i.rdb, i.keys.Due())
	if err != nil {
		return time.Time{}, err
	}
	now, err := node.Time(ctx).Result()
	return now.UTC().Truncate(time.Millisecond), err
}

// Resume ends the pause of a merchant, or of one of its pay types. It reports whether there was one, and
// how many orders it has made due that waited for that; orders that are still paused otherwise go on
// waiting. Should it be cut off, the others are looked at within some minutes.
func (i *Inspector) Resume(ctx context.Context, merchant string, payType qfpay.PayType) (was bool, orders int, err error) {
	n, err := i.rdb.HDel(ctx, i.keys.Paused(), Pause{Merchant: merchant, PayType: payType}.field()).Result()
	if err != nil {
		return false, 0, err
	}
	err = i.walkDue(ctx, merchant+":*", func(ids []string) error {
		keys, args := []string{i.keys.Due()}, make([]any, len(ids))
		for n, id := range ids {
			keys, args[n] = append(keys, i.keys.Order(id)), id
		}
		woken, err := resumedScript.Run(ctx, i.rdb, keys, args...).Int()
		orders += woken
		return err
	})
	return n > 0, orders, err
}

// resumeBatch is how many members of due one ZSCAN looks at.
const resumeBatch = 1000

// walkDue calls each with the ids of the orders without a result that match a pattern, some at a time.
func (i *Inspector) walkDue(ctx context.Context, pattern string, each func(ids []string) error) error {
	return redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return i.rdb.ZScan(ctx, i.keys.Due(), cursor, pattern, 10*resumeBatch).Result()
	}, func(found []string) error {
		var ids []string
		for n := 0; n < len(found); n += 2 { // members and scores by turns
			ids = append(ids, found[n])
		}
		return each(ids)
	})
}

// Pauses returns all pauses, by merchant and pay type.
func (i *Inspector) Pauses(ctx context.Context) ([]Pause, error) {
	all, err := i.rdb.HGetAll(ctx, i.keys.Paused()).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", i.keys.Paused(), err)
	}
	pauses := []Pause{}
	for _, field := range slices.Sorted(maps.Keys(all)) {
		pauses = append(pauses, readPause(field, all[field]))
	}
	return pauses, nil
}

// PausesOf returns the pauses that an order without a result is subject to: of its merchant, and of its
// pay type there.
func (i *Inspector) PausesOf(ctx context.Context, h History) ([]Pause, error) {
	if h.State == "DONE" {
		return nil, nil
	}
	var o struct {
		PayType string `json:"pay_type"`
	}
	json.Unmarshal(h.Order, &o)
	merchant, _, _ := strings.Cut(h.ID, ":")
	fields := []string{merchant, merchant + ":" + o.PayType}
	values, err := i.rdb.HMGet(ctx, i.keys.Paused(), fields...).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", i.keys.Paused(), err)
	}
	var pauses []Pause
	for n, v := range values {
		if text, is := v.(string); is {
			pauses = append(pauses, readPause(fields[n], text))
		}
	}
	return pauses, nil
}

// Merchant is what Redis knows of one merchant. That QFPay refuses it, and that it is held for that,
// each process finds out for itself: Redis does not know.
type Merchant struct {
	Name    string  `json:"merchant"`
	Running bool    `json:"running"` // a running worker has it
	Waiting int     `json:"waiting"` // orders without a result, the scheduled ones too
	Pauses  []Pause `json:"pauses"`
}

// Merchants returns the merchants that running workers have, those that are paused, and those of which
// orders wait, by name. It walks all orders without a result; Redis may return one twice
// meanwhile, so on a busy server the counts are a little too high.
func (i *Inspector) Merchants(ctx context.Context) ([]Merchant, error) {
	all := map[string]*Merchant{}
	of := func(name string) *Merchant {
		if all[name] == nil {
			all[name] = &Merchant{Name: name, Pauses: []Pause{}}
		}
		return all[name]
	}
	running, err := i.Running(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range running {
		of(name).Running = true
	}
	pauses, err := i.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range pauses {
		of(p.Merchant).Pauses = append(of(p.Merchant).Pauses, p)
	}
	err = i.walkDue(ctx, "", func(ids []string) error {
		for _, id := range ids {
			name, _, _ := strings.Cut(id, ":")
			of(name).Waiting++
		}
		return nil
	})
	var list []Merchant
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, *all[name])
	}
	return list, err
}

// Running returns the merchants that running workers have, by name: none when no worker runs.
func (i *Inspector) Running(ctx context.Context) ([]string, error) {
	now, err := i.now(ctx)
	if err != nil {
		return nil, err
	}
	told, err := i.rdb.HGetAll(ctx, i.keys.Merchants()).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", i.keys.Merchants(), err)
	}
	var names []string
	for name, till := range told {
		if ms, err := strconv.ParseInt(till, 10, 64); err == nil && ms > now.UnixMilli() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
