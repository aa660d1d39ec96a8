// Package simulator is a stand-in for the QFPay gateway, for tests and for trying
// things out. It is a gateway with a ledger, not a mock: it checks signatures and
// parameters, keeps every order it accepts, holds to QFPay's limits, and can be
// made to fail in every way a gateway across a network can fail.
//
//	g := simulator.New(simulator.Config{Faults: simulator.Faults{"payment.drop_after": 0.1}})
//	client := &http.Client{Transport: g.Transport()}   // in process, without a socket
//	server := httptest.NewServer(g)                    // or on a port
//
// Afterwards [Gateway.Orders] tells what it holds, [Gateway.Calls] what it was
// asked and how it answered, and [Gateway.Peak] how many calls it was sent in a
// window of time. Nothing of this shares code with the client in package qfpay but
// its types: the two are written independently from the same documents, so that
// each checks the other.
//
// The in-process transport does no I/O, starts no goroutine and waits with timers
// only, so it works inside testing/synctest. A call that is given up while it is
// under way is still carried out when it is due, as over a wire: what is due is
// carried out, in order, before anybody can look.
//
// With one seed, the same requests in the same order meet the same faults.
//
// Where QFPay's documents are silent or contradict one another, the comment at the
// rule says which reading was taken; the ones that matter to a client are settings
// of [Config]. Everything is kept in memory and nothing is ever removed.
//
// # On a port
//
// [Gateway.ServeHTTP] also answers under /_simulator/, to requests from loopback
// addresses only, so that a test in another process can look at the books:
//
//	GET  /_simulator/ledger                             orders, as NDJSON
//	GET  /_simulator/calls                              calls, as NDJSON
//	GET  /_simulator/peak?app_code=A&window=1s          the most calls in any such window
//	POST /_simulator/pay?out_trade_no=N                 the customer pays; also refund
//	POST /_simulator/advance?by=10m                     moves the clock
//	POST /_simulator/faults?fault=reset=0.1&fault=…     replaces the faults; without any: none
//	POST /_simulator/limits?per_second=N&per_minute=M   0: no limit
package simulator
