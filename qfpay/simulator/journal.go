package simulator

import "time"

// Calls returns every call that has arrived, in the order of arrival.
func (g *Gateway) Calls() []Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.landDue()
	all := make([]Call, len(g.calls))
	for i, c := range g.calls {
		all[i] = *c
	}
	return all
}

// Peak returns the most calls of an app_code that arrived in any window of this length,
// including those that were refused with HTTP 429.
func (g *Gateway) Peak(appCode string, window time.Duration) int {
	return peak(g.Calls(), appCode, window)
}

// Throttled returns how many calls of an app_code got HTTP 429.
func (g *Gateway) Throttled(appCode string) int {
	n := 0
	for _, c := range g.Calls() {
		if c.AppCode == appCode && c.HTTPStatus == 429 {
			n++
		}
	}
	return n
}

func peak(calls []Call, appCode string, window time.Duration) int {
	var times []time.Time
	most, first := 0, 0
	for _, c := range calls {
		if c.AppCode != appCode {
			continue
		}
		times = append(times, c.Time)
		for c.Time.Sub(times[first]) >= window {
			first++
		}
		most = max(most, len(times)-first)
	}
	return most
}
