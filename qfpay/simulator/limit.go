package simulator

import (
	"sort"
	"time"
)

// limits is QFPay's quota of one app_code: exact sliding windows over the admitted calls, all
// endpoints together. Refused calls do not count, because they are not processed. QFPay does
// not document whether its windows slide. A client that respects sliding windows also
// respects fixed ones.
type limits struct {
	admitted []time.Time // within the last minute, in order
}

// admit reports whether a call is allowed now, and if not, how long until one is.
func (l *limits) admit(now time.Time, perSecond, perMinute int) (wait time.Duration, ok bool) {
	old := sort.Search(len(l.admitted), func(i int) bool { return now.Sub(l.admitted[i]) < time.Minute })
	l.admitted = l.admitted[old:]
	wait = max(l.full(now, time.Second, perSecond), l.full(now, time.Minute, perMinute))
	if wait > 0 {
		return wait, false
	}
	l.admitted = append(l.admitted, now)
	return 0, true
}

// full returns how long the window stays full, or 0 if it is not full.
func (l *limits) full(now time.Time, window time.Duration, limit int) time.Duration {
	if limit < 0 || len(l.admitted) < limit {
		return 0
	}
	if limit == 0 {
		return window
	}
	return max(0, window-now.Sub(l.admitted[len(l.admitted)-limit]))
}

// quota reads a limit of Config: 0 is QFPay's limit.
func quota(limit, documented int) int {
	if limit == 0 {
		return documented
	}
	return limit
}
