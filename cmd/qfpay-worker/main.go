// Command qfpay-worker creates QFPay payments from a queue.
//
// It is the worker (run), a producer for files (enqueue), a reader of the result stream
// (results), a tool to inspect orders (order, audit), and prints the rights of its users of Redis
// (acl). To try it without a gateway or a
// Redis, use qfpay-sandbox.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
)

func main() {
	// A write to a closed pipe is then an ordinary error, so that a worker survives when
	// the reader of its log ends.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks the command to finish its work. A second one ends it at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Environ(), stdio{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, columns: console.Columns(os.Stdout)})
	stop()
	os.Exit(code)
}
