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

// upload is one body of many orders on its way.
type upload struct {
	*server
	rows *orderfile.Rows
	out  *lineWriter
	next int // the line on which reading goes on

	accepted, refused int
}

// lineAnswer is what came of one line.
type lineAnswer struct {
	Line int `json:"line"` // from 1
	*accepted
	Problem *problem `json:"problem,omitempty"`
}

// postLines takes a stream of orders and answers each line while it reads on. It needs
// the same small amount of memory for every body: an order is answered before the batch
// after it is read, so a caller who sends and does not read is made to wait.
func (s *server) postLines(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	control.EnableFullDuplex() // HTTP/2 always is, and HTTP/1 can be
	body := &lineBody{Reader: r.Body, control: control}
	defer body.close()
	defer context.AfterFunc(s.Stopping, body.stop)()
	control.SetWriteDeadline(time.Time{}) // each write sets its own
	u := &upload{server: s, rows: orderfile.NewJSONRows(body), out: newLineWriter(w, control), next: 1}
	u.run(w, r)
	note(r, "accepted", u.accepted, "refused", u.refused)
}

// run takes batch after batch until the body ends, Redis fails or the caller has gone.
// Until the first answer is written, what goes wrong is a problem with a status.
func (u *upload) run(w http.ResponseWriter, r *http.Request) {
	for {
		batch, ended := u.gather()
		answers, failed := u.enqueue(r, batch)
		p, wrong := u.wrong(ended, failed)
		if failed != nil {
			u.complain(w, r, p, failed)
		}
		if wrong && !u.out.begun && (failed != nil || len(batch) == 0) {
			p.Detail += "; send it all again: it is safe, and orders that were accepted count as duplicates"
			answerProblem(w, p)
			return
		}
		if wrong {
			p.Detail += "; from this line on nothing was read: send it again"
			answers = append(answers, lineAnswer{Line: u.next, Problem: pointer(p.titled())})
		}
		if err := u.out.write(answers); err != nil || ended != nil || wrong {
			return
		}
	}
}

// wrong says what keeps an upload from going on, if anything but its end does.
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

// gather waits for one line, and takes those that are there with it. The error ended
// the body.
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

// enqueue enqueues the good lines of a batch and says what came of each line. The error
// is Redis's.
func (u *upload) enqueue(r *http.Request, batch []orderfile.Row) ([]lineAnswer, error) {
	orders := make([]tasks.Order, 0, len(batch))
	for _, row := range batch {
		if row.Err == nil {
			row.Order.Traceparent = traceparent(r.Header)
			orders = append(orders, row.Order)
		}
	}
	ctx, cancel := u.patience(r)
	defer cancel()
	came, failed := u.Producer.EnqueueAll(ctx, orders)
	answers := make([]lineAnswer, len(batch))
	for i, row := range batch {
		a := lineAnswer{Line: row.Line}
		switch {
		case row.Err != nil:
			a.Problem = pointer(unreadable(row.Err).titled())
		case came[0].Err != nil:
			a.Problem, came = pointer(refused(came[0].Err).titled()), came[1:]
		default:
			a.accepted, came = acceptedOf(came[0]), came[1:]
		}
		if a.Problem == nil {
			u.accepted++
		} else {
			u.refused++
		}
		answers[i] = a
	}
	return answers, failed
}

func pointer[T any](v T) *T { return &v }

// pause is how long a caller may take between two reads or writes of an upload.
const pause = time.Minute
