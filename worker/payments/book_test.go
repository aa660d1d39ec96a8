package payments

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// lossy is a Redis whose scripts may be carried out without an answer, or not at all: as when the process
// dies before or after one.
type lossy struct {
	redis.UniversalClient
	next func() (run, answer bool)
}

var errDied = fmt.Errorf("the process has died")

func (l *lossy) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	run, answer := l.next()
	cmd := redis.NewCmd(ctx)
	if run {
		cmd = l.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	if !run || !answer {
		cmd.SetErr(errDied)
	}
	return cmd
}

// The model: codes are paid, refunded, paid again, run out or are closed at QFPay; notifications of what
// happened are lost, doubled, late, out of order, and forged; queries lag behind; and processes die before
// and after each script. What is published is true, once, and in an order that consumers may rely on.
func TestBook_PublishesTheTruthOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	ok(t, eventScript.Load(t.Context(), r.rdb).Err())
	number := 0
	rapid.Check(t, func(rt *rapid.T) {
		number++
		c := aCode()
		c.IssuedAs = fmt.Sprint("T", number)
		c.Order.OutTradeNo = c.IssuedAs
		if rapid.Bool().Draw(rt, "reissued") {
			c.IssuedAs += "_2"
			ok(t, r.rdb.HSet(t.Context(), r.Book.Keys.Order("default:"+c.IssuedAs), "state", "RESERVED", "reserved_for", c.ID()).Err())
		}
		o := c.Order
		r.publishCode(o, "S1", "2026-03-10 12:00:00")
		ok(t, r.rdb.HSet(t.Context(), r.Book.Keys.Order(c.ID()), "issued_as", c.IssuedAs).Err())
		book := *r.Book
		book.Redis = &lossy{r.rdb, func() (bool, bool) {
			fate := rapid.IntRange(0, 9).Draw(rt, "fate")
			return fate > 0, fate > 1
		}}
		w := &world{code: c}
		var mail []qfpay.Notification
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"pay", "refund", "pay twice", "run out", "close", "notify", "notify", "forge", "query", "query", "lag"}).Draw(rt, "step") {
			case "pay":
				if w.state == "unpaid" || w.state == "" {
					w.move("paid")
					mail = append(mail, w.notice(qfpay.NotifyPayment, "S1"))
				}
			case "pay twice":
				if w.state == "paid" && !w.twice {
					w.twice = true
					mail = append(mail, w.notice(qfpay.NotifyPayment, "S2"))
				}
			case "refund":
				if w.state == "paid" && !w.refunded {
					w.refunded = true
					mail = append(mail, w.notice(qfpay.NotifyRefund, "R1"))
				}
			case "run out":
				w.move("expired")
			case "close":
				w.move("closed")
			case "notify": // any of those so far, and not for the last time
				if len(mail) > 0 {
					n := rapid.SampledFrom(mail).Draw(rt, "letter")
					book.Notified(t.Context(), "default", n)
				}
			case "forge": // signed, for the signature is not the book's to check, but not about this code
				n := w.notice(qfpay.NotifyPayment, "F")
				switch rapid.IntRange(0, 3).Draw(rt, "forgery") {
				case 0:
					n.TxAmt--
				case 1:
					n.TxCurrCd = "CNY"
				case 2:
					n.OutTradeNo += "_9"
				case 3:
					n.Type, n.OrigOutTradeNo, n.TxAmt = qfpay.NotifyRefund, c.IssuedAs, n.TxAmt+1
				}
				if result, _ := book.Notified(t.Context(), "default", n); result == Recorded {
					rt.Fatalf("%+v was believed", n)
				}
			case "lag":
				w.shown = &sight{w.state, w.twice, w.refunded}
			case "query":
				now := noon
				if w.state == "expired" {
					now = noon.Add(c.life().Sub(noon) + 60e9)
				}
				s := Read(c, w.rows(), now)
				l := r.newLeader("default")
				l.Follower = &Follower{Book: &book, now: r.now}
				l.see(t.Context(), &followed{Code: c}, s)
			}
		}
		// In the end everything is seen, and nothing dies.
		w.shown = nil
		l := r.newLeader("default")
		if s := Read(c, w.rows(), noon.Add(w.code.life().Sub(noon)+60e9)); s.Event != "" {
			ok(t, l.see(t.Context(), &followed{Code: c}, s))
		}
		var got []string
		for _, p := range r.published()[c.Order.OutTradeNo] {
			got = append(got, p.Event)
			if p.IssuedAs != c.IssuedAs || p.ID != c.ID()+":"+p.Event || p.TxAmt != "2500" {
				rt.Fatalf("%+v", p)
			}
		}
		if wrong := w.wrong(got); wrong != "" {
			rt.Fatalf("%s: published %v, at QFPay it is %s, twice %t, refunded %t", wrong, got, w.state, w.twice, w.refunded)
		}
		open := r.rdb.ZScore(t.Context(), r.Book.Keys.Open("default"), c.ID()).Err() == nil
		if (len(got) == 0) != open && !w.twice {
			rt.Fatalf("open is %t with %v", open, got)
		}
		r.rdb.Del(t.Context(), r.Book.Keys.Payments())
	})
}

var ok = redistest.OK

// world is what has happened to a code at QFPay.
type world struct {
	code            Code
	state           string // "": unpaid
	twice, refunded bool

	shown *sight // what a query shows, while it lags; nil: the truth
}

type sight struct {
	state           string
	twice, refunded bool
}

func (w *world) move(to string) {
	if w.state == "" {
		w.state = to
	}
}

func (w *world) notice(kind qfpay.NotifyType, syssn string) qfpay.Notification {
	n := qfpay.Notification{Type: kind, OutTradeNo: w.code.IssuedAs, Syssn: syssn, TxAmt: 2500, TxCurrCd: "HKD", PayDtm: "2026-03-10 12:01:00"}
	if kind == qfpay.NotifyRefund {
		n.OutTradeNo, n.OrigOutTradeNo = "R"+w.code.IssuedAs, w.code.IssuedAs
	}
	return n
}

func (w *world) rows() []qfpay.Record {
	s := sight{w.state, w.twice, w.refunded}
	if w.shown != nil {
		s = *w.shown
	}
	row := qfpay.Record{OutTradeNo: w.code.IssuedAs, Syssn: "S1", TxAmt: "2500", TxCurrCd: "HKD", OrderType: "payment", Cancel: "0"}
	row.RespCd = map[string]qfpay.RespCd{"": "1143", "paid": "0000", "expired": "1181", "closed": "1142"}[s.state]
	if s.state == "closed" {
		row.Cancel = "2"
	}
	if s.refunded {
		row.Cancel = "3"
	}
	rows := []qfpay.Record{row}
	if s.twice {
		row.Syssn, row.Cancel = "S2", "0"
		rows = append(rows, row)
	}
	return rows
}

// wrong says which rule the events break, or "".
func (w *world) wrong(events []string) string {
	final := slices.DeleteFunc(slices.Clone(events), func(e string) bool { return !tasks.PaymentEvent(e).Final() })
	count := map[string]int{}
	for _, e := range events {
		count[e]++
	}
	switch {
	case w.state == "" && len(events) > 0:
		return "nothing has happened"
	case w.state != "" && (len(final) != 1 || final[0] != w.state):
		return "one final event, the true one"
	case len(events) > 0 && events[0] != final[0]:
		return "the final event comes first"
	case count["refunded"] > 1, count["paid_twice"] > 1:
		return "each event once"
	case (count["refunded"] > 0) != w.refunded, (count["paid_twice"] > 0) != w.twice:
		return "refunds and second payments are those that were"
	}
	return ""
}

// Two processes that learn of the same at once publish it once.
func TestBook_IsOneForAllProcesses(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.publishCode(qfpay.Order{OutTradeNo: "A1", PayType: qfpay.AlipayHK, TxAmt: 2500, TxCurrCd: "HKD"}, "S1", "2026-03-10 12:00:00")
	n := qfpay.Notification{Type: qfpay.NotifyPayment, OutTradeNo: "A1", Syssn: "S1", TxAmt: 2500, TxCurrCd: "HKD", PayDtm: "2026-03-10 12:00:05"}
	results := make([]string, 16)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			var err error
			if results[i], err = r.Book.Notified(t.Context(), "default", n); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	slices.Sort(results)
	if results[0] != Known || results[14] != Known || results[15] != Recorded {
		t.Errorf("%v", results)
	}
	r.want("A1", "paid")
	if f := r.rdb.HMGet(t.Context(), r.Book.Keys.Order("default:A1"), "payment", "paid_at", "payment_entry").Val(); f[0] != "paid" || f[1] != "2026-03-10T04:00:05.000Z" || f[2] == nil {
		t.Errorf("journal: %v", f)
	}
}

// What is not about a published code that is followed changes nothing.
func TestBook_KnowsOnlyCodesThatAreFollowed(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	ok(t, r.rdb.HSet(t.Context(), r.Book.Keys.Order("default:OFF"), "state", "DONE", "outcome", "created").Err())
	for _, number := range []string{"OFF", "NOBODY", ""} {
		n := qfpay.Notification{Type: qfpay.NotifyPayment, OutTradeNo: number, Syssn: "S1", TxAmt: 2500, TxCurrCd: "HKD"}
		if result, err := r.Book.Notified(t.Context(), "default", n); result != Unknown || err != nil {
			t.Errorf("%s: %s, %v", number, result, err)
		}
	}
	if n := r.rdb.DBSize(t.Context()).Val(); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// A payment after QFPay has shown the code dead is money that nobody waits for: a person must know.
func TestBook_SaysWhenADeadCodeIsPaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.publishCode(qfpay.Order{OutTradeNo: "A1", PayType: qfpay.AlipayHK, TxAmt: 2500, TxCurrCd: "HKD"}, "S1", "2026-03-10 12:00:00")
	c := aCode()
	ok(t, r.newLeader("default").see(t.Context(), &followed{Code: c}, Sight{Event: tasks.Lapsed}))
	n := qfpay.Notification{Type: qfpay.NotifyPayment, OutTradeNo: "A1", Syssn: "S1", TxAmt: 2500, TxCurrCd: "HKD"}
	if result, err := r.Book.Notified(t.Context(), "default", n); result != Known || err != nil {
		t.Errorf("%s, %v", result, err)
	}
	r.want("A1", "expired")
	late := slices.ContainsFunc(r.events, func(e event.Event) bool { _, is := e.(event.PaidLate); return is })
	if !late || !strings.Contains(r.log.String(), "after QFPay had shown") {
		t.Errorf("observed %t, logged %s", late, r.log.String())
	}
}

// A refund whose notification overtakes that of its payment is no difference: QFPay sends it again.
func TestBook_WaitsForThePaymentOfARefund(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.publishCode(qfpay.Order{OutTradeNo: "A1", PayType: qfpay.AlipayHK, TxAmt: 2500, TxCurrCd: "HKD"}, "S1", "2026-03-10 12:00:00")
	paid := qfpay.Notification{Type: qfpay.NotifyPayment, OutTradeNo: "A1", Syssn: "S1", TxAmt: 2500, TxCurrCd: "HKD"}
	refunded := qfpay.Notification{Type: qfpay.NotifyRefund, OutTradeNo: "R1", OrigOutTradeNo: "A1", Syssn: "S2", TxAmt: 2500, TxCurrCd: "HKD"}
	for _, step := range []struct {
		n    qfpay.Notification
		want string
	}{{refunded, Unknown}, {paid, Recorded}, {refunded, Recorded}, {refunded, Known}} {
		if result, err := r.Book.Notified(t.Context(), "default", step.n); result != step.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", step.n.Type, result, err, step.want)
		}
	}
	r.want("A1", "paid refunded")
}
