// Package qfpay speaks the language of the QFPay gateway: merchants, signing,
// and the three calls an order presented by the merchant (MPM) needs: create,
// query and close.
//
// It knows nothing of queues, Redis or metrics. What it does know, and what its
// errors are made to say, is how much is certain after a call: that the gateway
// refused it ([Refusal]), that it was not carried out for want of quota
// ([Throttled]), that nothing left this machine ([NotSent]), or that it was sent
// and no answer that can be trusted came back ([Unanswered]). A caller that
// handles money needs no other distinction, and must not do with fewer.
//
// A created order is not a paid order. respcd 0000 in the answer to a create
// means that a QR code exists; the customer has yet to scan it.
//
// Identifiers are QFPay's own field names in CamelCase, and the names on every
// wire are QFPay's own spelling. Amounts are integers in the minor unit of their
// currency (100 is HKD 1.00, and JPY 100). Times on the wire are UTC+8 without a
// zone, as "2006-01-02 15:04:05".
//
// Sources: QFPay's MPM page and the pages on signing, common API, status codes
// and usage guidelines of its developer centre, as of February 2026. Where they
// contradict one another, the comment at the rule says which reading was taken
// and why.
package qfpay
