package metrics

import (
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// other stands for every label value outside its closed set.
const other = "other"

// endpoints are the calls that qfpay makes.
var endpoints = []string{"payment", "query", "close", "reversal"}

// redisOps are the operations on Redis that may fail: a worker's, and a scrape.
var redisOps = []string{"attempt", "settle", "wait", "sweep", "intake", "trim", "pause", "release_reservation", opScrape}

// mostMerchants bounds what many merchants cost Prometheus: each has some seventy
// series in every process. The first so many of the configuration are shown by name,
// the rest together as "other"; only that one of them is held is said by its name.
const mostMerchants = 100

// labels holds the closed sets of label values. Those of merchants are replaced when the
// merchants change, the sets themselves do not.
type labels struct {
	merchant                                       set // those shown by name
	configured                                     set // all of them
	payType, outcome, lane, endpoint, result, hold set
	redisOp                                        set
}

type set map[string]bool

func newLabels(merchants []string) labels {
	return labels{
		merchant:   setOf(shown(merchants)),
		configured: setOf(merchants),
		payType:    setOf(qfpay.PayTypes()),
		outcome:    setOf(tasks.Outcomes()),
		lane:       setOf(tasks.Lanes()),
		endpoint:   setOf(endpoints),
		result:     setOf(qfpay.RespCds()).with(qfpay.CallResults()),
		redisOp:    setOf(redisOps),
		hold:       setOf(qfpay.RespCds()).with([]string{"http"}), // a refusal by HTTP status, without a respcd
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

// label returns v when it is in the set, else "other".
func (s set) label(v string) string {
	if s[v] {
		return v
	}
	return other
}
