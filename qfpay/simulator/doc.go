// Package simulator simulates the QFPay gateway for tests and experiments. It is a gateway
// with a ledger, not a mock: it checks signatures and parameters, keeps every order that it
// accepts, and applies QFPay's limits. It can be made to fail in every way in which a gateway
// across a network can fail.
//
//	g := simulator.New(simulator.Config{Faults: simulator.Faults{"payment.drop_after": 0.1}})
//	client := &http.Client{Transport: g.Transport()}   // in process, without a socket
//	server := httptest.NewServer(g)                    // or on a port
//
// A fault can be restricted to an endpoint, a pay type or some order numbers; see [Fault].
// [FaultList] explains all faults. They change answers; the books stay true.
//
// [Gateway.Orders] returns its orders, [Gateway.Calls] the requests and their answers, and
// [Gateway.Peak] the most calls in a window of time. The package shares only types with the
// client in package qfpay: the two are written independently from the same documents, so that
// each checks the other.
//
// The in-process transport does no I/O, starts no goroutine and waits only on timers, so it
// works inside testing/synctest. A call whose client gives up is still processed when it is
// due, as over a network: all due calls are processed in order before the state can be read.
//
// With the same seed, the same requests in the same order get the same faults.
//
// Where QFPay's documents say nothing or contradict each other, the comment at the rule names
// the choice. Choices that matter to a client are settings of [Config]. Everything is kept in
// memory, and nothing is ever removed.
//
// # On a port
//
// [Gateway.ServeHTTP] also serves an admin API under /_simulator/, only for loopback addresses,
// so that a test in another process can read and change the state:
//
//	GET  /_simulator/ledger                             orders, as NDJSON
//	GET  /_simulator/calls                              calls, as NDJSON
//	GET  /_simulator/peak?app_code=A&window=1s          the most calls in any such window
//	POST /_simulator/pay?out_trade_no=N                 the customer pays; also scan, refund,
//	                                                    pay-again (twice), pay-late (after its code ran out)
//	POST /_simulator/advance?by=10m                     moves the clock
//	POST /_simulator/faults?fault=reset=0.1&fault=…     replaces the faults; without any: none
//	POST /_simulator/limits?per_second=N&per_minute=M   0: no limit
package simulator
