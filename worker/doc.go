// Package worker takes accepted orders to their results: it claims them, asks the
// gateway, and publishes exactly one result each, whatever crashes or is delivered
// twice.
//
// How it is built:
//
//   - [next] (policy.go) decides what to do about one order, from facts alone.
//   - The journal (journal.go, lua/) is the truth about every order. Each of its
//     transitions is one script, so that a crash falls before or after it.
//   - The handler (handler.go) turns: decide, act, read, until a result or a wait.
//   - An asynq task is a wake-up and nothing more. The sweeper (sweeper.go) makes
//     a new one for every order that is due, so no order depends on one task.
//   - The limiter (limiter.go) gives leave for each call, within both limits of an
//     app_code over all processes.
//
// Who retries what is written down once, in docs/retries.md; nothing else here
// retries.
package worker
