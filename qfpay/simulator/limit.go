package simulator

import (
	"sort"
	"time"
)

// limits is QFPay's quota of one app_code: true sliding windows over the calls that
// were admitted, all endpoints together. Refused calls do not count, since they are
// not processed. Whether QFPay's windows slide is not documented; a client that keeps
// to sliding ones keeps to fixed ones as well.
type limits struct {
	admitted []time.Time // within the last minute, in order
}

// admit tells whether a call may pass now, and if not how long until one may.
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

// full returns how long the window stays full, and 0 when there is room in it.
func (l *limits) full(now time.Time, window time.Duration, limit int) time.Duration {
	if limit < 0 || len(l.admitted) < limit {
		return 0
	}
	if limit == 0 {
		return window
	}
	return max(0, window-now.Sub(l.admitted[len(l.admitted)-limit]))
}

// quota reads a limit of Config: 0 is QFPay's own.
func quota(limit, documented int) int {
	if limit == 0 {
		return documented
	}
	return limit
}
