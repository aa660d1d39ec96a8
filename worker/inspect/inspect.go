// Package inspect reads the journal for people: the history of one order, and lists of orders. It can
// also re-open an order that has its result, cancel one, and pause a merchant.
//
// It works beside running workers, and apart from these three it changes nothing.
//
// Start reading at [Inspector.Order], [Inspector.Reopen], [Inspector.Cancel] and [Inspector.Pause].
package inspect

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	showScript    = redisscript.Load(luaFiles, "show")
	reopenScript  = redisscript.Load(luaFiles, "reopen")
	resumedScript = redisscript.Load(luaFiles, "resumed")
)

// Inspector reads the journal for people: the history of an order, and lists of orders. It can also re-open and cancel an order, and pause a merchant. It works beside running workers, and is safe for
// use by many goroutines.
type Inspector struct {
	rdb     redis.UniversalClient
	scripts redis.Scripter // sends the scripts of many goroutines together
	keys    tasks.Keys

	observer event.Observer // nil: nobody
}

// New returns an inspector. The keys' prefix must be that of the workers.
func New(rdb redis.UniversalClient, keys tasks.Keys) *Inspector {
	return &Inspector{rdb: rdb, scripts: redisscript.NewPipelinedClient(rdb), keys: keys}
}

// Observed returns such an inspector that tells o about each order that [Inspector.Cancel] itself ends, as a worker
// does about the orders that it settles.
func (i *Inspector) Observed(o event.Observer) *Inspector {
	observed := *i
	observed.observer = o
	return &observed
}

// ErrNoOrder says that the journal does not have the order: it was never accepted, or its
// journal has expired, 30 days after its result.
var ErrNoOrder = errors.New("no such order")

// Order returns the history of an order, or [ErrNoOrder]. id is merchant:out_trade_no,
// as of [tasks.ID].
func (i *Inspector) Order(ctx context.Context, id string) (History, error) {
	h, _, err := i.read(ctx, id)
	if err != nil {
		return h, err
	}
	for n := range h.Results {
		if err := i.result(ctx, &h.Results[n]); err != nil {
			return h, err
		}
	}
	return h, nil
}

// result reads a result from the stream. It leaves p.Result nil when the entry is gone or is not
// a result.
func (i *Inspector) result(ctx context.Context, p *PastResult) error {
	found, err := i.rdb.XRange(ctx, i.keys.Results(), p.Entry, p.Entry).Result()
	if err != nil {
		return fmt.Errorf("read entry %s of %s: %w", p.Entry, i.keys.Results(), err)
	}
	if len(found) == 0 {
		return nil
	}
	if r, err := tasks.ParseResult(found[0]); err == nil {
		p.Result = &r
	}
	return nil
}

// read reads the journal of an order, all of it as of one moment.
func (i *Inspector) read(ctx context.Context, id string) (History, fields, error) {
	answer, err := showScript.Run(ctx, i.scripts, []string{i.keys.Order(id), i.keys.Due()}, id).Slice()
	if err != nil {
		return History{}, nil, fmt.Errorf("read the journal of %s: %w", id, err)
	}
	words := redisscript.Texts(answer)
	if len(words) < 3 {
		return History{}, nil, fmt.Errorf("%s: %w", id, ErrNoOrder)
	}
	f := fields{}
	for n := 3; n+1 < len(words); n += 2 {
		f[words[n]] = words[n+1]
	}
	f["now"], f["due"] = words[1], words[2]
	return f.history(id), f, nil
}
