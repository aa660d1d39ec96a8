package worker

import (
	"errors"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// pages is all that the journal of an order has in it, in the same words for the
// model's and for the real one.
type pages struct {
	State, Outcome, Holder, SentBy, Author string
	Reissues, CreatesSent, NotFound        string
	Sent, Due                              bool
	Entries                                int64
	Verdict                                string
	Cancelled, Closing                     bool
}

func (w *twins) pagesOfTheModel() pages {
	b := w.book
	p := pages{State: nameOf(b.state), Outcome: string(outcomes[b.end]),
		Holder: w.name(b.holder), SentBy: w.name(b.sentBy), Author: w.name(b.author),
		Reissues: strconv.Itoa(int(b.reissues)), CreatesSent: strconv.Itoa(int(b.createsSent)), NotFound: strconv.Itoa(int(b.notFound)),
		Sent: b.sent != unsent, Due: b.due, Entries: int64(b.entries), Verdict: verdictWords[b.verdict],
		Cancelled: b.cancelled, Closing: b.closing}
	if b.was {
		p.Verdict = "was " + p.Verdict
	}
	if b.end != unsettled {
		p.State = "DONE"
	}
	return p
}

var verdictWords = [policy.Verdicts]string{"", "lost", "open", "failing", "holding", "refusing"}

// nameOf is the word for a state in the journal.
func nameOf(s policy.State) string {
	for name, known := range journal.StateNames {
		if known == s {
			return name
		}
	}
	return ""
}

func (w *twins) pagesOfRedis() pages {
	f, err := w.real.Redis.HGetAll(w.ctx, w.real.Keys.Order(w.id)).Result()
	w.must(err)
	entries, err := w.real.Redis.XLen(w.ctx, w.real.Keys.Results()).Result()
	w.must(err)
	err = w.real.Redis.ZScore(w.ctx, w.real.Keys.Due(), w.id).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		w.Fatal(err)
	}
	p := pages{State: f["state"], Outcome: f["outcome"], Holder: f["token"], SentBy: f["sent_by"], Author: f["settled_by"],
		Reissues: counted(f["reissues"]), CreatesSent: counted(f["creates_sent"]), NotFound: counted(f["not_found"]),
		Sent: f["sent_at"] != "", Due: err == nil, Entries: entries, Verdict: f["verdict"]}
	p.Cancelled = f["cancel_asked_at"] != ""
	err = w.real.Redis.ZScore(w.ctx, w.real.Keys.Closing(), w.id).Err()
	if p.Closing = err == nil; p.Closing != (f["close_asked_at"] != "") {
		w.Fatalf("closing: %v, and asked at %q", err, f["close_asked_at"])
	}
	if p.Outcome == string(tasks.Cancelled) && p.Author != "" && !strings.HasPrefix(p.Author, w.id) {
		p.Author = w.name(canceller) // the nonce of a cancellation
	}
	if (f["first_sent_at"] != "") != p.Sent {
		w.Fatalf("first_sent_at is %q and sent_at %q", f["first_sent_at"], f["sent_at"])
	}
	return p
}

// counted is a counter of the journal, which begins with the first claim or with what
// is counted.
func counted(field string) string {
	if field == "" {
		return "0"
	}
	return field
}

// same compares all that is written with the model's journal.
func (w *twins) same() {
	if diff := cmp.Diff(w.pagesOfTheModel(), w.pagesOfRedis()); diff != "" {
		w.Fatalf("the model and Redis differ (-model +Redis):\n%s", diff)
	}
}
