package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// batchSize is how many orders go to Redis at once: one pipeline of EnqueueAll.
const batchSize = 250

// upload is one body with many orders.
type upload struct {
	*server
	rows *orderfile.Rows
	out  *lineWriter
	next int // the line to read next

	accepted, refused int
}

// lineAnswer is the answer to one line.
type lineAnswer struct {
	Line int `json:"line"` // from 1
	*accepted
	Problem *problem `json:"problem,omitempty"`
}

// postLines accepts a stream of orders and answers each line while it reads on. It needs the
// same small amount of memory for every body: it answers a batch before it reads the next one.
// So a client that sends without reading has to wait.
func (s *server) postLines(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	body := &lineBody{Reader: r.Body, control: control}
	defer body.close()
	defer context.AfterFunc(s.Stopping, body.stop)()
	control.SetWriteDeadline(time.Time{}) // each write sets its own
	u := &upload{server: s, rows: orderfile.NewJSONRows(body), out: newLineWriter(w, control), next: 1}
	u.run(w, r)
	note(r, "accepted", u.accepted, "refused", u.refused)
}

// run processes batches until the body ends, Redis fails or the client disconnects. Until the
// first answer is written, an error is a problem with its own status.
func (u *upload) run(w http.ResponseWriter, r *http.Request) {
	for {
		batch, ended := u.gather()
		answers, failed := u.enqueue(r, batch)
		p, wrong := u.wrong(ended, failed)
		if failed != nil {
			u.complain(w, r, p, failed)
		}
		if wrong && !u.out.begun && (failed != nil || len(batch) == 0) {
			p.Detail += "; send everything again: this is safe, and accepted orders count as duplicates"
			answerProblem(w, p)
			return
		}
		if wrong {
			p.Detail += "; nothing was read from this line on: send it again"
			answers = append(answers, lineAnswer{Line: u.next, Problem: pointer(p.titled())})
		}
		if err := u.out.write(answers); err != nil || ended != nil || wrong {
			return
		}
	}
}

// wrong returns the problem that ends an upload early, if any.
func (u *upload) wrong(ended, failed error) (problem, bool) {
	switch {
	case failed != nil:
		return problem{Status: http.StatusServiceUnavailable, Detail: unavailable(failed)}, true
	case errors.Is(ended, errStopping):
		return problem{Status: http.StatusServiceUnavailable, Detail: "this worker is shutting down"}, true
	case ended != nil && ended != io.EOF:
		return cutOff(ended), true
	}
	return problem{}, false
}

// gather waits for one line, and adds those that are already received. The error is the one
// that ended the body.
func (u *upload) gather() ([]orderfile.Row, error) {
	var batch []orderfile.Row
	for len(batch) == 0 || len(batch) < batchSize && u.rows.Buffered() {
		row, err := u.rows.Next()
		if err != nil {
			return batch, err
		}
		u.next = row.Line + 1
		batch = append(batch, row)
	}
	return batch, nil
}

// enqueue enqueues the valid lines of a batch and returns an answer for each line. The error
// comes from Redis.
func (u *upload) enqueue(r *http.Request, batch []orderfile.Row) ([]lineAnswer, error) {
	orders := make([]tasks.Order, 0, len(batch))
	caller := recordOf(r).caller
	for i := range batch {
		row := &batch[i]
		if row.Err == nil {
			row.Err = caller.mayOrder(row.Order)
		}
		if row.Err == nil {
			row.Order.Traceparent = traceparent(r.Header)
			orders = append(orders, row.Order)
		}
	}
	ctx, cancel := u.redisContext(r)
	defer cancel()
	results, failed := u.Producer.EnqueueAll(ctx, orders)
	answers, all := make([]lineAnswer, len(batch)), make([]*accepted, len(batch))
	for i, row := range batch {
		a := lineAnswer{Line: row.Line}
		switch {
		case row.Err != nil:
			a.Problem = pointer(unreadable(row.Err).titled())
		case results[0].Err != nil:
			a.Problem, results = pointer(refused(results[0].Err).titled()), results[1:]
		default:
			a.accepted, results = acceptedOf(results[0]), results[1:]
		}
		if a.Problem == nil {
			u.accepted++
		} else {
			u.refused++
		}
		answers[i], all[i] = a, a.accepted
	}
	if failed == nil {
		u.warn(ctx, all...)
	}
	return answers, failed
}

func pointer[T any](v T) *T { return &v }

// pause is the longest time between two reads or writes of an upload.
const pause = time.Minute
