// Package probe finds out what QFPay's documents leave open, with small orders that nobody pays.
//
// It goes from observations to findings. An [Observation] is one call and what came of it. They are
// written to a [Journal] as they are made, so that a probe that was stopped goes on where it was.
// Two pure functions read them: one says what to ask next (plan.go), and [Findings] says what is
// known. [Settings] turns findings into settings of qfpay-worker.
//
// What is found rests on these rules: one success proves that something is taken. A refusal
// counts when it came twice with the same respcd, and is one of the request, not of the moment.
// About an order, the query decides, and not the answer to a create or a close. What is known in no
// such way is not answered.
package probe
