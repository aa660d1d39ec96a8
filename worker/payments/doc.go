// Package payments follows published QR codes until they are paid or dead, and publishes what became of
// each in the payment stream: docs/payments.md.
//
// A [Book] writes events, each in one script with the journal: whatever is lost, doubled or late, one
// of paid, expired and closed comes for each code. It is told of notifications; a [Follower] asks QFPay.
// What a row or a notification proves, and when to look next, is decided in decide.go, apart from all I/O.
//
// The package never creates, closes or refunds anything, and reads no order without a published code.
//
// Start reading at [Read] and lua/payment_event.lua.
package payments
