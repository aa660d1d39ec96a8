package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// ResultsCmd reads the result stream.
type ResultsCmd struct {
	Follow   bool   `help:"Go on with new results as they come, until interrupted."`
	From     string `help:"Begin after this entry of the stream; $$ with --follow is its end." placeholder:"ID"`
	Group    string `help:"Read as a consumer of this group, and acknowledge what was printed."`
	Consumer string `help:"Name of the consumer in the group."`
	Format   string `help:"table or json (one object a line)." default:"table"`
	QR       bool   `name:"qr" help:"Draw the QR code of each result."`
	RedisConfig
}

// Help is shown below the flags.
func (ResultsCmd) Help() string {
	return `Without a group, results are read from the beginning of the stream or --from, and
reading changes nothing. With a group, its place in the stream is kept in Redis; a
result is acknowledged once it has been written, and so comes again if the command
dies before. Without --follow the command ends when it has read what was there when
it began.`
}

// streamID is how Redis writes the place of an entry.
var streamID = regexp.MustCompile(`^\d+(-\d+)?$`)

// Run implements the command.
func (c *ResultsCmd) Run(ctx context.Context, std stdio) error {
	server, keys, err := c.resolve()
	if err != nil {
		return err
	}
	rdb := server.Connect("qfpay-worker-results", 0)
	defer rdb.Close()
	p := newPrinter(std, c.Format, c.QR, c.From)
	if err = ping(ctx, rdb); err == nil {
		err = c.read(ctx, rdb, keys, p)
	}
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		p.end()
		return nil
	case errors.Is(err, syscall.EPIPE):
		return nil // whoever read our output has enough
	case p.writing != nil:
		return err
	}
	if p.last != "" {
		err = fmt.Errorf("after entry %s: %w", p.last, err)
	}
	return fmt.Errorf("Redis at %s (REDIS_URL) failed: %w", server, err)
}

// resolve checks the settings and the flags together.
func (c *ResultsCmd) resolve() (Redis, tasks.Keys, error) {
	var found checks
	server, keys := c.redis(&found), c.keys(&found)
	found.choice("--format", c.Format, "table", "json")
	if (c.Group == "") != (c.Consumer == "") {
		found.failed("--group, --consumer", "go together: give both, or neither")
	}
	if c.QR && c.Format == "json" {
		found.failed("--qr", "goes with --format=table only; in JSON the text of the code is in qrcode")
	}
	switch {
	case c.From == "":
	case c.Group != "":
		found.failed("--from", "does not go with --group: a group has its own place in the stream")
	case c.From == "$" && c.Follow:
	case !streamID.MatchString(c.From):
		found.failed("--from", "must be the ID of an entry, such as 1700000000000-0 (or $ with --follow), not %q", c.From)
	}
	return server, keys, found.err()
}

// read prints results in one of the four ways.
func (c *ResultsCmd) read(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, p *printer) error {
	results := tasks.NewResults(rdb, keys)
	switch {
	case c.Group != "" && c.Follow:
		return results.Consume(ctx, c.Group, c.Consumer, p.printNow)
	case c.Group != "":
		return consumeAll(ctx, results, groupOf(rdb, keys, c.Group, c.Consumer), p.printNow)
	case c.Follow:
		return results.Follow(ctx, c.From, p.printNow)
	}
	return readAll(ctx, results, c.From, p)
}

// page is how many results are read at once.
const page = 500

// readAll prints what is in the stream, page by page.
func readAll(ctx context.Context, results *tasks.Results, from string, p *printer) error {
	for {
		entries, err := results.Read(ctx, from, page)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			if err := p.print(e); err != nil {
				return err
			}
		}
		if err := p.flush(); err != nil {
			return err
		}
		from = entries[len(entries)-1].StreamID
	}
}

// group is a consumer group of the result stream, and one consumer in it.
type group struct {
	rdb            redis.UniversalClient
	stream         string
	name, consumer string
}

func groupOf(rdb redis.UniversalClient, keys tasks.Keys, name, consumer string) group {
	return group{rdb: rdb, stream: keys.Results(), name: name, consumer: consumer}
}

// askEvery is how often Redis is asked whether a group has read everything.
const askEvery = 100 * time.Millisecond

// consumeAll consumes until the group has read what was in the stream when it
// began, and this consumer has acknowledged its part of it. A result that comes to
// us at the very end is left for the next time: it is ours, and not acknowledged.
func consumeAll(ctx context.Context, results *tasks.Results, g group, fn func(tasks.Entry) error) error {
	end, err := g.end(ctx)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var asking error
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		defer stop()
		asking = g.wait(reading, end)
	}()
	err = results.Consume(reading, g.name, g.consumer, fn)
	stop()
	<-asked
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return asking // nil: all is read
	}
	return err
}

// end returns the last entry of the stream.
func (g group) end(ctx context.Context) (string, error) {
	last, err := g.rdb.XRevRangeN(ctx, g.stream, "+", "-", 1).Result()
	if err != nil || len(last) == 0 {
		return "0-0", err
	}
	return last[0].ID, nil
}

// wait asks until everything up to end is read, or ctx ends.
func (g group) wait(ctx context.Context, end string) error {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		if read, err := g.read(ctx, end); read || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// read tells whether everything up to end was given to some consumer, and this one
// has nothing left: neither its own nor what is to be taken over from the dead.
func (g group) read(ctx context.Context, end string) (bool, error) {
	groups, err := g.rdb.XInfoGroups(ctx, g.stream).Result()
	if redis.HasErrorPrefix(err, "no such key") { // go-redis cuts the ERR off
		return false, nil // the group is not made yet, nor the stream
	} else if err != nil {
		return false, ifAlive(ctx, err)
	}
	for _, info := range groups {
		if info.Name != g.name {
			continue
		}
		for _, left := range []func() (int, error){
			func() (int, error) { return g.undelivered(ctx, info.LastDeliveredID, end) },
			func() (int, error) { return g.pending(ctx, g.consumer, 0) },
			func() (int, error) { return g.pending(ctx, "", tasks.ClaimAfter) },
		} {
			if n, err := left(); n > 0 || err != nil {
				return false, ifAlive(ctx, err)
			}
		}
		return true, nil
	}
	return false, nil
}

func (g group) undelivered(ctx context.Context, from, to string) (int, error) {
	entries, err := g.rdb.XRangeN(ctx, g.stream, "("+from, to, 1).Result()
	return len(entries), err
}

// pending counts, up to one, the entries that were given to a consumer, or to any,
// and have not been acknowledged for some time.
func (g group) pending(ctx context.Context, consumer string, since time.Duration) (int, error) {
	entries, err := g.rdb.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: g.stream, Group: g.name, Consumer: consumer, Idle: since, Start: "-", End: "+", Count: 1,
	}).Result()
	return len(entries), err
}

// ifAlive passes on an error, unless it is what the end of ctx led to.
func ifAlive(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
