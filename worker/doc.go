// Package worker takes accepted orders to their results: it claims them, asks the
// gateway, and publishes exactly one result each, even when processes crash and tasks are
// delivered twice.
//
// How it is built:
//
//   - [next] (policy.go) decides what to do about one order, from facts alone.
//   - The journal (journal.go, lua/) is the truth about every order. Each of its
//     transitions is one script, so that a crash falls before or after it.
//   - The handler (handler.go) makes attempts: decide, act, read the answer, until the order
//     has a result or must wait.
//   - An asynq task is a wake-up and nothing more. The sweeper (sweeper.go) makes
//     a new one for every order that is due, so no order depends on one task.
//   - The limiter (internal/ratelimit) issues a permit for each call, within both limits
//     of an app_code over all processes.
//
// The table in docs/retries.md lists everything that is retried; nothing else is.
package worker
