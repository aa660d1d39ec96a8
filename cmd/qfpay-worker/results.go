package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"syscall"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// ResultsCmd reads the result stream.
type ResultsCmd struct {
	Follow   bool   `help:"Wait for new results, until interrupted."`
	From     string `help:"Begin after this entry of the stream; $$ with --follow is the end of the stream." placeholder:"ID"`
	Group    string `help:"Read as a consumer of this group, and acknowledge printed results."`
	Consumer string `help:"Name of the consumer in the group."`
	Format   string `help:"table or json (one object per line)." default:"table"`
	QR       bool   `name:"qr" help:"Draw the QR code of each result."`
	RedisConfig
}

// Help is shown below the flags.
func (ResultsCmd) Help() string {
	return `Without a group, the command reads from the beginning of the stream or from --from,
and changes nothing. With a group, Redis keeps the position of the group in the
stream. A result is acknowledged after it is written; if the command dies before
that, the result is delivered again. Without --follow, the command ends when it has
read the results that were there when it began.`
}

// streamID matches the ID of a stream entry.
var streamID = regexp.MustCompile(`^\d+(-\d+)?$`)

// Run implements the command.
func (c *ResultsCmd) Run(ctx context.Context, std stdio) error {
	server, keys, err := c.resolve()
	if err != nil {
		return err
	}
	rdb := server.Connect("qfpay-worker-results", 0)
	defer rdb.Close()
	p := newPrinter(std, c)
	role := redischeck.Reader
	if c.Group != "" {
		role = redischeck.Consumer
	}
	if err = server.ready(ctx, std.err, rdb, keys, role); err == nil {
		err = c.read(ctx, tasks.NewResults(rdb, keys).OnNewGroup(noteNewGroup(std.err)), p)
	}
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		p.end()
		return nil
	case errors.Is(err, syscall.EPIPE):
		return nil // the reader of our output has ended, such as head
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
	c.Format = found.choice("--format", c.Format, "table", "json")
	if (c.Group == "") != (c.Consumer == "") {
		found.failed("--group, --consumer", "need each other: give both, or neither")
	}
	if c.QR && c.Format == "json" {
		found.failed("--qr", "requires --format=table; in JSON, qrcode has the text of the code")
	}
	switch {
	case c.From == "":
	case c.Group != "":
		found.failed("--from", "cannot be combined with --group: a group has its own position in the stream")
	case c.From == "$" && c.Follow:
	case !streamID.MatchString(c.From):
		found.failed("--from", "must be the ID of an entry, such as 1700000000000-0 (or $ with --follow), not %q", c.From)
	}
	return server, keys, found.err()
}

// read prints results in one of the four ways.
func (c *ResultsCmd) read(ctx context.Context, results *tasks.Results, p *printer) error {
	switch {
	case c.Group != "" && c.Follow:
		return results.Consume(ctx, c.Group, c.Consumer, p.printNow)
	case c.Group != "":
		return results.Drain(ctx, c.Group, c.Consumer, p.printNow)
	case c.Follow:
		return results.Follow(ctx, c.From, p.printNow)
	}
	return readAll(ctx, results, c.From, p)
}

// noteNewGroup returns a function that says that a group had vanished.
func noteNewGroup(w io.Writer) func(group string) {
	return func(group string) {
		fmt.Fprintf(w, "qfpay-worker: the group %s had vanished (FLUSHALL, XGROUP DESTROY, or a failover), and was created again: "+
			"results that are still in the stream follow again. If the stream was empty, enqueue again what has no result yet\n", group)
	}
}

// page is how many results are read at once.
const page = 500

// readAll prints the results in the stream, page by page.
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
