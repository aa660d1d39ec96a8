// Package worker takes accepted orders to their results: it claims them, asks the gateway, and
// publishes exactly one result each, even when processes crash and tasks are delivered twice.
//
// How it is built:
//
//   - The handler (handler.go) claims the orders that asynq's tasks name. The dispatcher
//     (dispatcher.go) claims every order that is due, and those that waited for a permit, so no
//     order depends on a task, which is its first wake-up and nothing more.
//   - internal/attempt makes an attempt at each claimed order: decide, act, read the answer, until
//     the order has a result or must wait.
//   - internal/policy decides what to do about one order, from facts alone.
//   - internal/journal is the truth about every order. Each of its transitions is one script, so
//     that a crash falls before or after it.
//   - internal/ratelimit issues a permit for each call, within both limits of an app_code over all
//     processes.
//   - internal/merchants has what belongs to one merchant: its client, its limiter, its circuit
//     breaker. internal/fleet knows the merchants of the other processes.
//
// The package never decides by itself what an answer of the gateway means, and never retries what
// the table in docs/retries.md does not list. Start reading at [Worker.Run] and handler.wake.
package worker
