package simulator

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// notifyTimeout is how long a receiver may take to answer SUCCESS.
const notifyTimeout = 5 * time.Second

// RunNotifier lets customers pay when it is time, and delivers notifications until ctx ends, one at a time. Like QFPay it repeats
// those that are not answered with SUCCESS, after 2 m, 10 m, 10 m, 60 m, 2 h, 6 h and 15 h of
// the gateway's clock. Nothing else in the Gateway does network I/O.
func (g *Gateway) RunNotifier(ctx context.Context, client *http.Client) {
	for ctx.Err() == nil {
		g.mu.Lock()
		g.landDue()
		l, wait, any := g.books.mail.take(g.now())
		if l == nil && len(g.books.visits) > 0 {
			if next := g.books.visits[0].due.Sub(g.now()); !any || next < wait {
				wait, any = next, true
			}
		}
		g.mu.Unlock()
		switch {
		case l != nil:
			g.deliver(ctx, client, l)
		case any:
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-g.books.mail.news:
			case <-ctx.Done():
			}
			timer.Stop()
		default:
			select {
			case <-g.books.mail.news:
			case <-ctx.Done():
			}
		}
	}
}

// deliver posts a notification once, and schedules the next attempt if it failed.
func (g *Gateway) deliver(ctx context.Context, client *http.Client, l *letter) {
	if l.post(ctx, client) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.attempts < len(retrySchedule) {
		l.due = g.now().Add(retrySchedule[l.attempts])
		l.attempts++
		g.books.mail.put(l)
	}
}

// post reports whether the receiver answered HTTP 200 with exactly SUCCESS.
func (l *letter) post(ctx context.Context, client *http.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(l.body))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-QF-SIGN", l.signature)
	response, err := client.Do(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64))
	return err == nil && response.StatusCode == http.StatusOK && string(body) == "SUCCESS"
}
