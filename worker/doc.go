// Package worker takes accepted orders to their results: it claims them, asks the gateway, and
// publishes exactly one result each, even when processes crash and tasks are delivered twice.
//
// How it is built:
//
//   - The handler (handler.go) makes attempts (attempt.go): decide, act, read the answer, until the
//     order has a result or must wait.
//   - internal/policy decides what to do about one order, from facts alone.
//   - internal/journal is the truth about every order. Each of its transitions is one script, so
//     that a crash falls before or after it.
//   - internal/ratelimit issues a permit for each call, within both limits of an app_code over all
//     processes. The dispatcher (dispatcher.go) starts the orders that waited for one.
//   - An asynq task is a wake-up and nothing more. The sweeper (sweeper.go) makes a new one for
//     every order that is due, so no order depends on one task.
//
// The package never decides by itself what an answer of the gateway means, and never retries what
// the table in docs/retries.md does not list. Start reading at [Worker.Run] and handler.work.
package worker
