// Package notify receives QFPay's notifications over HTTP: POST /qfpay/notify/{merchant}.
//
// Anybody can send one, so nothing is believed before its signature was verified, over the bytes as they
// came. QFPay repeats a notification until it is answered with HTTP 200 and SUCCESS, and that is
// answered only once it is written down.
package notify
