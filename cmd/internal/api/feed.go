package api

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/consume"
)

// The bounds of an answer with entries of a stream. It holds at most feedBytes and the entry that
// goes beyond that.
const (
	feedLines = 1000
	feedBytes = 1 << 20
	feedPage  = 32 // entries that are read at once; each may have an answer of QFPay of 64 KiB
)

// A request waits for its first entry for longestWait at most, and looks for it every lookEvery. It
// holds no connection to Redis meanwhile.
const (
	longestWait = 30 * time.Second
	lookEvery   = 250 * time.Millisecond
	readOn      = 2 * time.Second // through entries that are there
)

// resultLine is an entry of the result stream as a line.
type resultLine struct {
	StreamID string `json:"stream_id"`
	tasks.Result
}

// paymentLine is an entry of the payment stream as a line.
type paymentLine struct {
	StreamID string `json:"stream_id"`
	tasks.Payment
}

// feedEntry is an entry of a stream, as far as a feed needs to know it.
type feedEntry struct {
	id, merchant string
	line         any
	err          error // it is none
}

func resultEntry(e tasks.Entry) feedEntry {
	return feedEntry{e.StreamID, e.Result.Merchant, resultLine{e.StreamID, e.Result}, e.Err}
}

func paymentEntry(e tasks.PaymentEntry) feedEntry {
	return feedEntry{e.StreamID, e.Payment.Merchant, paymentLine{e.StreamID, e.Payment}, e.Err}
}

// feed is one stream with what a request asks of it.
type feed struct {
	query  feedQuery
	caller *Caller
	read   func(after string, count int64) ([]feedEntry, error)
	broken func(id string, err error) // is told of entries that cannot be read

	last  string // the entry that was read last; the next request continues after it
	lines int
	body  bytes.Buffer
}

// getFeed returns the handler that answers with the entries of a stream after one of them.
func getFeed[E any](s *server, stream *consume.Reader[E], entryOf func(E) feedEntry) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		caller := recordOf(r).caller
		if !caller.Read {
			answerProblem(w, problem{Status: http.StatusForbidden, Detail: "the token of " + caller.Name + " may not read orders"})
			return
		}
		query, err := parseFeedQuery(r.URL.Query())
		if err != nil {
			answerProblem(w, problem{Status: http.StatusBadRequest, Detail: err.Error()})
			return
		}
		f := &feed{query: query, caller: caller, last: query.after}
		f.broken = func(id string, err error) {
			s.Logger.WarnContext(r.Context(), "an entry was passed over", "route", r.Pattern, "entry", id, "error", err)
		}
		f.read = func(after string, count int64) ([]feedEntry, error) {
			ctx, cancel := s.redisContext(r)
			defer cancel()
			found, err := stream.Read(ctx, after, count)
			entries := make([]feedEntry, len(found))
			for i, e := range found {
				entries[i] = entryOf(e)
			}
			return entries, err
		}
		s.answerFeed(w, r, f)
	}
}

func (s *server) answerFeed(w http.ResponseWriter, r *http.Request, f *feed) {
	control := http.NewResponseController(w)
	deadline := time.Now().Add(f.query.wait)
	control.SetReadDeadline(deadline.Add(answerTimeout)) // no wait counts as a client that is slow
	control.SetWriteDeadline(deadline.Add(answerTimeout))
	ctx, stop := context.WithDeadline(r.Context(), deadline)
	defer stop()
	defer context.AfterFunc(s.Stopping, stop)()
	if err := f.gather(ctx.Done()); err != nil {
		p := problem{Status: http.StatusServiceUnavailable, Detail: unavailable(err) + "; try again"}
		s.complain(w, r, p, err)
		answerProblem(w, p)
		return
	}
	note(r, "entries", f.lines)
	if f.last != "" {
		w.Header().Set("Next-After", f.last)
	}
	answerText(w, http.StatusOK, manyOrders, f.body.Bytes())
}

// gather reads until there are entries for the caller and no more at once, the answer is full, or
// enough is closed. Entries of other merchants are passed over; so many are read on for readOn at least.
func (f *feed) gather(enough <-chan struct{}) error {
	for began := time.Now(); ; {
		entries, err := f.read(f.last, feedPage)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if f.full() {
				return nil
			}
			f.add(e)
		}
		pause := lookEvery
		switch more := len(entries) == feedPage; {
		case more && time.Since(began) < readOn:
			continue
		case more:
			pause = 0
		case f.lines > 0:
			return nil
		}
		select {
		case <-enough:
			return nil
		case <-time.After(pause):
		}
	}
}

func (f *feed) full() bool { return f.lines >= f.query.limit || f.body.Len() >= feedBytes }

// add adds an entry that the caller may read.
func (f *feed) add(e feedEntry) {
	f.last = e.id
	switch {
	case e.err != nil:
		f.broken(e.id, e.err)
	case f.caller.mayUse(e.merchant):
		encoderOf(&f.body).Encode(e.line) // no type of ours fails
		f.lines++
	}
}

// feedQuery is what a request asks of a stream.
type feedQuery struct {
	after string // "": from the beginning
	limit int    // lines
	wait  time.Duration
}

func parseFeedQuery(values url.Values) (feedQuery, error) {
	q := feedQuery{after: values.Get("after")}
	if q.after != "" && !entryID(q.after) {
		return q, fmt.Errorf("after: must be the stream_id of a line, such as 1700000000000-0")
	}
	var err error
	if q.limit, err = wholeNumber(values, "limit", 100, 1, feedLines); err != nil {
		return q, err
	}
	seconds, err := wholeNumber(values, "wait", int(longestWait/time.Second), 0, int(longestWait/time.Second))
	q.wait = time.Duration(seconds) * time.Second
	return q, err
}

// entryID reports whether a text may be the ID of an entry: those that Redis makes fit into 63 bits.
func entryID(text string) bool {
	for part := range strings.SplitSeq(text, "-") {
		if n, err := strconv.ParseUint(part, 10, 64); err != nil || n > math.MaxInt64 {
			return false
		}
	}
	return strings.Count(text, "-") <= 1
}

// wholeNumber returns a parameter of the query, which has bounds.
func wholeNumber(values url.Values, name string, otherwise, least, most int) (int, error) {
	if !values.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(values.Get(name))
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s: must be a whole number from %d to %d", name, least, most)
	}
	return n, nil
}
