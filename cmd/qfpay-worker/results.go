package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/consume"
)

// ResultsCmd reads the result stream.
type ResultsCmd struct {
	ReadConfig
	QR bool `name:"qr" help:"Draw the QR code of each result."`
}

// PaymentsCmd reads the payment stream.
type PaymentsCmd struct{ ReadConfig }

// ReadConfig says what to read of a stream, and how to print it.
type ReadConfig struct {
	Follow   bool   `help:"Wait for new entries, until interrupted."`
	From     string `help:"Begin after this entry of the stream; $$ with --follow is the end of the stream." placeholder:"ID"`
	Group    string `help:"Read as a consumer of this group, and acknowledge printed entries."`
	Consumer string `help:"Name of the consumer in the group."`
	Format   string `help:"table or json (one object per line)." default:"table"`
	RedisConfig
}

// Help is shown below the flags.
func (ReadConfig) Help() string {
	return `Without a group, the command reads from the beginning of the stream or from --from,
and changes nothing. With a group, Redis keeps the position of the group in the
stream. An entry is acknowledged after it is written; if the command dies before
that, it is delivered again. Without --follow, the command ends when it has
read the results that were there when it began.`
}

// streamID matches the ID of a stream entry.
var streamID = regexp.MustCompile(`^\d+(-\d+)?$`)

// Run implements the command.
func (c *ResultsCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	if c.QR && c.Format == "json" {
		found.failed("--qr", "requires --format=table; in JSON, qrcode has the text of the code")
	}
	p := newPrinter(std, c)
	return readStream(ctx, std, &c.ReadConfig, found, tasks.NewResults, p, p.print, redischeck.Reader, redischeck.Consumer)
}

// Run implements the command.
func (c *PaymentsCmd) Run(ctx context.Context, std stdio) error {
	p := newPaymentPrinter(std, c)
	return readStream(ctx, std, &c.ReadConfig, checks{}, tasks.NewPayments, p, p.printPayment, redischeck.PaymentReader, redischeck.PaymentConsumer)
}

// readStream reads a stream in one of the four ways, and prints its entries. The roles are those
// without and with a group.
func readStream[E streamEntry](ctx context.Context, std stdio, c *ReadConfig, found checks, open func(redis.UniversalClient, tasks.Keys) *consume.Reader[E], p *printer, show func(E) error, reader, consumer redischeck.Role) error {
	server, keys, err := c.resolve(&found)
	if err != nil {
		return err
	}
	rdb := server.Connect("qfpay-worker-results", 0)
	defer rdb.Close()
	role := reader
	if c.Group != "" {
		role = consumer
	}
	if err = server.ready(ctx, std.err, rdb, keys, role); err == nil {
		err = printStream(ctx, c, open(rdb, keys).OnNewGroup(noteNewGroup(std.err)), p, show)
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
func (c *ReadConfig) resolve(found *checks) (Redis, tasks.Keys, error) {
	server, keys := c.redis(found), c.keys(found)
	c.Format = found.choice("--format", c.Format, "table", "json")
	if (c.Group == "") != (c.Consumer == "") {
		found.failed("--group, --consumer", "need each other: give both, or neither")
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

// streamEntry is an entry of a stream that is read.
type streamEntry interface {
	tasks.Entry | tasks.PaymentEntry
}

// printStream prints entries in one of the four ways.
func printStream[E streamEntry](ctx context.Context, c *ReadConfig, stream *consume.Reader[E], p *printer, show func(E) error) error {
	showNow := func(e E) error {
		if err := show(e); err != nil {
			return err
		}
		return p.flush()
	}
	switch {
	case c.Group != "" && c.Follow:
		return stream.Consume(ctx, c.Group, c.Consumer, showNow)
	case c.Group != "":
		return stream.Drain(ctx, c.Group, c.Consumer, showNow)
	case c.Follow:
		return stream.Follow(ctx, c.From, showNow)
	}
	return readAll(ctx, stream, c.From, p, show)
}

// noteNewGroup returns a function that says that a group had vanished.
func noteNewGroup(w io.Writer) func(group string) {
	return func(group string) {
		fmt.Fprintf(w, "qfpay-worker: the group %s had vanished (FLUSHALL, XGROUP DESTROY, or a failover), and was created again: "+
			"entries that are still in the stream follow again. If the stream was empty, enqueue again what has no result yet\n", group)
	}
}

// page is how many results are read at once.
const page = 500

// readAll prints the entries in the stream, page by page. Each that it cannot read is passed over.
func readAll[E streamEntry](ctx context.Context, stream *consume.Reader[E], from string, p *printer, show func(E) error) error {
	for {
		entries, err := stream.Read(ctx, from, page)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			if err := show(e); err != nil {
				return err
			}
		}
		if err := p.flush(); err != nil {
			return err
		}
		from = idOf(entries[len(entries)-1])
	}
}

// idOf returns the ID of an entry in its stream.
func idOf[E streamEntry](e E) string {
	switch e := any(e).(type) {
	case tasks.PaymentEntry:
		return e.StreamID
	case tasks.Entry:
		return e.StreamID
	}
	return ""
}
