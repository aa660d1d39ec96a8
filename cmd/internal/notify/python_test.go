package notify

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// shelf is a book of one published order, which keeps what it was told.
type shelf struct {
	order qfpay.Order
	seen  map[string]bool
}

func (s *shelf) Notified(_ context.Context, merchant string, n qfpay.Notification) (string, error) {
	switch id := string(n.Type) + n.Syssn; {
	case merchant != "default" || n.Order() != s.order.OutTradeNo:
		return event.NotificationUnknown, nil
	case !n.Matches(s.order):
		return event.NotificationMismatch, nil
	case s.seen[id]:
		return event.NotificationKnown, nil
	default:
		s.seen[id] = true
		return event.NotificationRecorded, nil
	}
}

// TestPython_ASenderWrittenFromTheDocumentsAloneIsBelievedWhereItShould runs testdata/client.py, which
// is independent of the Go code, against the server on a port.
func TestPython_ASenderWrittenFromTheDocumentsAloneIsBelievedWhereItShould(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is missing; install it with: apt-get install python3")
	}
	r := newRig()
	r.config.Book = &shelf{order: qfpay.Order{OutTradeNo: "ORD_1", TxAmt: 2500, TxCurrCd: "HKD"}, seen: map[string]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, nil, time.Minute, r.config) }()
	cmd := exec.CommandContext(t.Context(), python, "testdata/client.py", l.Addr().String(), "default", string(agentKey), "ORD_1", "2500", "HKD")
	out, err := cmd.CombinedOutput()
	stop()
	if served := <-ended; served != nil || err != nil {
		t.Fatalf("%v, %v\n%s", served, err, out)
	}
	var want []string
	counted := map[string]int{}
	for _, c := range []struct {
		status int
		result string // as it is counted; empty: not counted
		what   string
	}{
		{403, "forged", "forged"}, {403, "forged", "unsigned"}, {403, "forged", "signed with SHA256"}, {403, "forged", "signed after writing it again"},
		{403, "forged", "wrong merchant"}, {403, "forged", "merchant in another case"}, {404, "", "no such path"}, {404, "", "a GET"},
		{404, "mismatch", "wrong amount"}, {404, "mismatch", "amount in dollars"}, {404, "mismatch", "wrong currency"}, {400, "malformed", "no currency"},
		{404, "unknown", "no such order"}, {404, "unknown", "an order number that is a pattern"},
		{400, "malformed", "malformed JSON"}, {400, "malformed", "not JSON"}, {400, "malformed", "an answer to a create"}, {400, "malformed", "not a success"},
		{413, "unreadable", "too large"}, {413, "unreadable", "too large, chunked"},
		{200, "recorded", "refund before the payment"}, {200, "recorded", "slow"},
		{200, "known", "doubled"}, {200, "known", "doubled, chunked"}, {200, "known", "doubled, in lower case"},
		{200, "known", "other sequence"}, {200, "known", "compact"}, {200, "known", "over several lines"}, {200, "known", "escaped"},
		{200, "known", "byte order mark"}, {200, "known", "numbers"}, {200, "known", "a number with a point"}, {200, "known", "text with a point"},
		{200, "known", "spaces"}, {200, "known", "currency in lower case"}, {200, "known", "currency as its number"}, {200, "known", "not UTF-8"},
		{200, "known", "a form by its header"}, {200, "known", "with a query"}, {200, "known", "HTTP/1.0"}, {200, "known", "header in lower case"},
		{200, "known", "asked for leave"},
		{404, "mismatch", "doubled members"}, {400, "malformed", "members in capitals"}, {400, "malformed", "a fraction"}, {400, "malformed", "a list"},
		{400, "malformed", "amount in a list"}, {400, "malformed", "true"}, {400, "malformed", "nested deeply"}, {400, "malformed", "a zero byte"},
		{404, "unknown", "order number in lower case"}, {400, "malformed", "compressed"}, {403, "forged", "compressed after signing"},
		{404, "", "a PUT"}, {404, "", "a HEAD"}, {403, "forged", "below the merchant"}, {403, "forged", "an escaped slash"}, {403, "forged", "a detour"},
		{403, "forged", "signed twice"}, {400, "", "two lengths"}, {200, "known", "a length and chunks"}, {413, "unreadable", "a broken chunk"},
		{200, "recorded", "refund"}, {200, "recorded", "refund of 2025"}, {404, "mismatch", "refund of too much"}, {200, "known", "payment after its refund"},
	} {
		text := string(conns.NewProblem(c.status, "").JSON())
		switch {
		case c.status == 200:
			text = "SUCCESS"
		case c.what == "a HEAD":
			text = ""
		case c.what == "two lengths": // no request at all
			text = string(conns.NewProblem(c.status, "the request cannot be read; check its path and headers").JSON())
		}
		want = append(want, fmt.Sprintf(`{"what": %q, "status": %d, "text": %q}`, c.what, c.status, text))
		if c.result != "" {
			counted[c.result]++
		}
	}
	// The answer to a long body may be lost, when the client still writes while the server closes.
	lost := fmt.Sprintf(`${1}413, "text": %q`, conns.NewProblem(413, "").JSON())
	said := regexp.MustCompile(`(too large.*"status": )0, "text": ""`).ReplaceAllString(strings.TrimSpace(string(out)), lost)
	if d := cmp.Diff(want, strings.Split(said, "\n")); d != "" {
		t.Error(d)
	}
	got := map[string]int{}
	for _, result := range r.results {
		got[result]++
	}
	if d := cmp.Diff(counted, got); d != "" {
		t.Error(d)
	}
}
