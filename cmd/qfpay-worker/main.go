// Command qfpay-worker creates QFPay payments from a queue.
//
// It is the worker (run), a producer for files (enqueue), a reader of the results
// (results), and nothing else; trying it out without a gateway or a Redis is
// qfpay-sandbox's business.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Writing to a pipe that nobody reads is then an error like any other: a worker
	// does not die of its log.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks the command to end well; a second one ends it at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Environ(), stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}
