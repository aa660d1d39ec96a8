package inspect

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// History is what the journal says of one order. Times are on Redis's clock, in UTC,
// and zero for what has not happened.
type History struct {
	ID          string    `json:"id"`                // merchant:out_trade_no
	State       string    `json:"state"`             // NEW, SENT, CLOSING or DONE
	Outcome     string    `json:"outcome,omitempty"` // of DONE
	Reissues    int       `json:"reissues"`          // 0 under its own out_trade_no, k for its k-th reissue
	IssuedAs    string    `json:"issued_as"`         // the out_trade_no under which QFPay has it
	CreatesSent int       `json:"creates_sent"`      // creates that were sent under this number
	Attempts    int       `json:"attempts"`          // how often it was claimed
	Reopens     int       `json:"reopens"`           // how often it was re-opened
	DeferredFor string    `json:"deferred_for,omitempty"`
	InFlight    bool      `json:"in_flight"` // an attempt has it, until LeaseUntil at most
	LeaseUntil  time.Time `json:"lease_until,omitzero"`
	Due         time.Time `json:"due,omitzero"`        // when a dispatcher claims it; zero when it is not in due
	NotBefore   time.Time `json:"not_before,omitzero"` // it is not submitted before

	Now            time.Time `json:"now"`
	AcceptedAt     time.Time `json:"accepted_at,omitzero"`
	FirstAttemptAt time.Time `json:"first_attempt_at,omitzero"` // its first attempt
	FirstSentAt    time.Time `json:"first_sent_at,omitzero"`    // the first create under this number
	SentAt         time.Time `json:"sent_at,omitzero"`          // the latest
	ReopenedAt     time.Time `json:"reopened_at,omitzero"`
	SettledAt      time.Time `json:"settled_at,omitzero"`

	CancelAskedAt time.Time `json:"cancel_asked_at,omitzero"` // somebody asked to cancel it before it had a result
	CloseAskedAt  time.Time `json:"close_asked_at,omitzero"`  // somebody asked to cancel it, and its QR code was published
	Closed        string    `json:"closed,omitempty"`         // what became of that: closed, paid, cannot_close or unclear
	ClosedAt      time.Time `json:"closed_at,omitzero"`       // since when that is known

	Payment *Payment `json:"payment,omitempty"` // of the published QR code; nil: it is not followed

	Traceparent string `json:"traceparent,omitempty"` // of the producer, W3C Trace Context

	Answer   *Answer         `json:"answer,omitempty"`    // the last answer to a create that brought no result at once
	NoAnswer *Answer         `json:"no_answer,omitempty"` // the last create that got no answer, and why
	Row      json.RawMessage `json:"row,omitempty"`       // the last row of a query about it, as received

	Order   json.RawMessage `json:"order"`   // as accepted; a JSON string when that is not JSON
	Results []PastResult    `json:"results"` // the oldest first; several when it was re-opened
	Orphans []Orphan        `json:"orphans"` // see [Orphan]
}

// Payment is what has become of a published QR code that is followed.
type Payment struct {
	State    string `json:"state"`                // open, paid, expired or closed
	PaidAt   string `json:"paid_at,omitempty"`    // by QFPay's clock, in [tasks.TimeLayout]
	Syssn    string `json:"syssn,omitempty"`      // of the payment
	Refunded bool   `json:"refunded,omitempty"`   // wholly or in part
	Twice    bool   `json:"paid_twice,omitempty"` // QFPay shows two successful payments
	Entry    string `json:"entry,omitempty"`      // of the payment stream, that of State
}

// Orphan is an order that QFPay has stored beside the result: the answer to a create came when
// its QR code could not be published any more, because the order had its result, or because its
// number was being closed. As a rule the queries and the close of the attempt that went on have
// taken care of it. If it still stands unpaid at QFPay, nobody has its QR code.
type Orphan struct {
	IssuedAs string `json:"issued_as"`
	Syssn    string `json:"syssn"`
}

// Answer is what came of a create: QFPay's answer, or why none came.
type Answer = journal.Answer

// PastResult is the result of an order, or one that it had before it was re-opened.
type PastResult struct {
	Entry   string        `json:"entry"` // of the result stream
	Outcome string        `json:"outcome"`
	Result  *tasks.Result `json:"result"` // nil when the stream does not have it
}

// fields are those of a journal. A field that cannot be read counts as missing, so that people
// see the rest of a damaged journal.
type fields map[string]string

func (f fields) number(name string) int {
	n, _ := strconv.Atoi(f[name])
	return n
}

func (f fields) moment(name string) time.Time {
	ms, err := strconv.ParseFloat(f[name], 64) // a score may have a point
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

func (f fields) history(id string) History {
	_, outTradeNo, _ := strings.Cut(id, ":")
	h := History{
		ID: id, State: f["state"], Outcome: f["outcome"], DeferredFor: f["deferred_for"],
		Reissues: f.number("reissues"), IssuedAs: journal.IssuedAs(outTradeNo, f.number("reissues")),
		CreatesSent: f.number("creates_sent"), Attempts: f.number("attempts"), Reopens: f.number("reopens"),
		Now: f.moment("now"), Due: f.moment("due"), NotBefore: f.moment("not_before"), AcceptedAt: f.moment("accepted_at"),
		FirstAttemptAt: f.moment("first_attempt_at"), FirstSentAt: f.moment("first_sent_at"), SentAt: f.moment("sent_at"),
		CancelAskedAt: f.moment("cancel_asked_at"), CloseAskedAt: f.moment("close_asked_at"), Closed: f["closed"], ClosedAt: f.moment("closed_at"),
		ReopenedAt: f.moment("reopened_at"), SettledAt: f.moment("settled_at"), Traceparent: f["traceparent"],
		Order: f.json("order"), Results: f.results(), Orphans: f.orphans(),
		Answer: journal.ParseAnswer(f["answer"]), NoAnswer: journal.ParseAnswer(f["no_answer"]),
	}
	if f["payment"] != "" {
		h.Payment = &Payment{State: f["payment"], PaidAt: f["paid_at"], Syssn: f["paid_as"],
			Refunded: f["refunded"] != "", Twice: f["paid_twice"] != "", Entry: f["payment_entry"]}
	}
	if f["row"] != "" {
		h.Row = f.json("row")
	}
	if until := f.moment("lease_until"); f["token"] != "" && until.After(h.Now) {
		h.InFlight, h.LeaseUntil = true, until
	}
	return h
}

// json is a field as JSON, even if something else is in it, such as what a plain asynq producer
// enqueued as its order.
func (f fields) json(name string) json.RawMessage {
	if json.Valid([]byte(f[name])) {
		return json.RawMessage(f[name])
	}
	text, err := json.Marshal(f[name])
	if err != nil {
		return json.RawMessage(`""`)
	}
	return text
}

// results lists where the results of an order are: those it had before it was re-opened, each as
// outcome:entry, and the one it has.
func (f fields) results() []PastResult {
	all := []PastResult{}
	for one := range strings.FieldsSeq(f["past_results"]) {
		outcome, entry, _ := strings.Cut(one, ":")
		all = append(all, PastResult{Entry: entry, Outcome: outcome})
	}
	if f["entry"] != "" {
		all = append(all, PastResult{Entry: f["entry"], Outcome: f["outcome"]})
	}
	return all
}

func (f fields) orphans() []Orphan {
	all := []Orphan{}
	for one := range strings.FieldsSeq(f["orphans"]) {
		issuedAs, syssn, _ := strings.Cut(one, ":")
		all = append(all, Orphan{IssuedAs: issuedAs, Syssn: syssn})
	}
	return all
}
