// Package qfpay is a client of the QFPay gateway: merchants, signatures, and the three
// calls for an order with a QR code that the merchant presents (MPM): create, query and
// close.
//
// The package does not depend on queues, Redis or metrics. Its errors say what is certain
// after a call: the gateway refused it ([Refusal]), it was not processed because the quota
// was used up ([Throttled]), nothing was sent ([NotSent]), or it was sent and there is no
// answer that can be trusted ([Unanswered]). Code that handles money must treat these four
// differently.
//
// A created order is not a paid order. respcd 0000 in the answer to a create
// means that a QR code exists; the customer has yet to scan it.
//
// Identifiers are QFPay's field names in CamelCase. Names in requests and answers are
// spelled as QFPay spells them. Amounts are integers in the minor unit of their currency
// (100 is HKD 1.00, and JPY 100). Times in requests and answers are UTC+8 without a zone, as
// "2006-01-02 15:04:05".
//
// Sources: QFPay's MPM page and the pages on signing, common API, status codes and usage
// guidelines of its developer centre, as of February 2026. Where they contradict each other,
// the comment at the rule names the choice and the reason.
package qfpay
