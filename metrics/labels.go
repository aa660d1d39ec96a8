package metrics

import (
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// other replaces every label value outside its closed set.
const other = "other"

// endpoints are those that package qfpay calls.
var endpoints = []string{"payment", "query", "close", "reversal"}

// redisOps are the operations on Redis that may fail: those of a worker, and a scrape.
var redisOps = []string{"attempt", "settle", "wait", "wake", "dispatch", "dequeue", "clock", "scheduled", "merchants", "intake", "cancel", "closing", "trim", "pause", "release_reservation", "follow", opScrape}

// servers are the HTTP servers of a process, and dropReasons why they drop connections.
var (
	servers     = []string{"api", "notify", "pages"}
	dropReasons = []string{"accept_error", "full", "no_token"}
)

// mostMerchants limits what merchants cost Prometheus: each has some seventy series in every
// process. The first ones of the configuration are shown by name, the others together as
// "other"; only qfpay_merchant_held shows these by name too.
const mostMerchants = 100

// labels holds the closed sets of label values. When the merchants change, their sets are
// replaced, never modified.
type labels struct {
	merchant                                       set // those shown by name
	configured                                     set // all of them
	payType, outcome, lane, endpoint, result, hold set
	redisOp, server, dropReason, signature         set
	notification, closing                          set
}

type set map[string]bool

func newLabels(merchants []string) labels {
	return labels{
		merchant:     setOf(shown(merchants)),
		configured:   setOf(merchants),
		payType:      setOf(qfpay.PayTypes()),
		outcome:      setOf(tasks.Outcomes()),
		lane:         setOf(tasks.Lanes()),
		endpoint:     setOf(endpoints),
		result:       setOf(qfpay.RespCds()).with(qfpay.CallResults()),
		redisOp:      setOf(redisOps),
		server:       setOf(servers),
		dropReason:   setOf(dropReasons),
		signature:    setOf(qfpay.Signatures()),
		notification: setOf(event.NotificationResults()),
		closing:      setOf(event.ClosingResults()),
		hold:         setOf(qfpay.RespCds()).with([]string{"http", "answer"}), // an HTTP status without a respcd; answers that cannot be used
	}
}

// shown are the merchants that are shown by name.
func shown(merchants []string) []string { return merchants[:min(len(merchants), mostMerchants)] }

func setOf[T ~string](values []T) set {
	s := make(set, len(values))
	for _, v := range values {
		s[string(v)] = true
	}
	return s
}

// with adds values to the set and returns it.
func (s set) with(values []string) set {
	for _, v := range values {
		s[v] = true
	}
	return s
}

// label returns v if it is in the set, else "other".
func (s set) label(v string) string {
	if s[v] {
		return v
	}
	return other
}
