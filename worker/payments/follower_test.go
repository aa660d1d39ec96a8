package payments

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// What a query shows is published, once: payments soon after they were made, with the time and number
// that QFPay has for them, and ends when the code has run out.
func TestFollower_PublishesWhatQFPayShows(t *testing.T) {
	t.Parallel()
	for _, expired := range []qfpay.RespCd{"1181", "1142"} {
		r := newRig(t, simulator.Config{Expired: expired, Visibility: 3 * time.Second})
		l := r.newLeader("default")
		for i := range 30 { // several lists, so windows too
			r.create(fmt.Sprint("PAID-WITHIN-A-MINUTE-", i), nil)
			r.create(fmt.Sprint("NEVER-PAID-", i), nil)
		}
		r.create("SHORT", func(o *qfpay.Order) { o.ExpiredTime = 5 })
		r.create("PAYME", func(o *qfpay.Order) { o.PayType = qfpay.PayMe })
		r.follow(l, 20*time.Second)
		for i := range 30 {
			redistest.OK(t, r.gateway.Pay(fmt.Sprint("PAID-WITHIN-A-MINUTE-", i)))
		}
		r.follow(l, 20*time.Second)
		p := r.published()["PAID-WITHIN-A-MINUTE-3"]
		if len(p) != 1 || p[0].Event != "paid" || p[0].SeenBy != tasks.ByEnquiry || p[0].PaidAt != "2026-03-10T04:00:20.000Z" || p[0].Syssn == "" ||
			p[0].TxAmt != "2500" || p[0].Batch != "B1" || p[0].ID != "default:PAID-WITHIN-A-MINUTE-3:paid" {
			t.Errorf("%+v", p)
		}
		r.follow(l, 5*time.Minute)
		r.want("SHORT", "expired")
		r.want("NEVER-PAID-7", "")
		r.follow(l, 27*time.Minute)
		for i := range 30 {
			r.want(fmt.Sprint("PAID-WITHIN-A-MINUTE-", i), "paid")
			r.want(fmt.Sprint("NEVER-PAID-", i), "expired")
		}
		if n := r.rdb.ZCard(t.Context(), r.Book.Keys.Open("default")).Val(); n > 1 {
			t.Errorf("%d codes are still open", n)
		}
	}
}

// A code that is not found proves nothing while it lives, nor in a list, nor once. When its life is over
// and it was asked for alone twice, it never was payable.
func TestFollower_GivesUpAMissingCodeOnlyAfterItsLife(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	l := r.newLeader("default")
	for i := range 2 {
		r.publishCode(qfpay.Order{OutTradeNo: fmt.Sprint("M", i), PayType: qfpay.AlipayHK, TxAmt: 1, TxCurrCd: "HKD"}, "S", "2026-03-10 12:00:00")
	}
	alone := 0
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		if c.Endpoint == "query" && c.OutTradeNo == "M0" {
			alone++
		}
		return ""
	})
	r.follow(l, 30*time.Minute)
	r.want("M0", "")
	before := alone
	r.follow(l, 50*time.Second)
	if n := alone - before; n != 1 {
		t.Errorf("asked alone %d times", n)
	}
	r.want("M0", "")
	r.follow(l, time.Minute)
	r.want("M0", "expired")
	r.want("M1", "expired")
}

// Closed at QFPay, by whomever, while the code lived; and a code whose order somebody asked to cancel.
func TestFollower_TellsClosedFromExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	l := r.newLeader("default")
	for _, number := range []string{"PORTAL", "ASKED", "LATE"} {
		r.create(number, nil)
	}
	r.follow(l, 10*time.Second)
	redistest.OK(t, r.rdb.HSet(t.Context(), r.Book.Keys.Order("default:ASKED"), "close_asked_at", "1").Err())
	_, err := r.client.Close(t.Context(), qfpay.Order{OutTradeNo: "PORTAL", PayType: qfpay.AlipayHK, TxAmt: 2500, TxCurrCd: "HKD", TxDtm: "2026-03-10 12:00:00"}, nil)
	redistest.OK(t, err)
	r.follow(l, time.Minute)
	r.want("PORTAL", "closed")
	r.follow(r.newLeader("default"), 31*time.Minute) // another one, after a crash
	r.want("ASKED", "closed")
	r.want("LATE", "expired")
}

// Two successes under one number, and refunds, whoever has learnt of the payment first.
func TestFollower_SeesSecondPaymentsAndRefunds(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Duplicate: simulator.DuplicateNone})
	l := r.newLeader("default")
	many := make([]string, 40)
	for i := range many { // so that windows are read
		many[i] = fmt.Sprintf("OPEN-%020d", i)
		r.create(many[i], nil)
	}
	for _, number := range []string{"TWICE", "LATER", "BACK"} {
		r.create(number, nil)
		redistest.OK(t, r.gateway.Pay(number))
	}
	r.create2("TWICE")
	r.follow(l, 20*time.Second)
	r.want("TWICE", "paid paid_twice")
	r.want("LATER", "paid")
	r.create2("LATER")
	r.create("NEXT", nil) // windows cover the time of open codes
	redistest.OK(t, r.gateway.Refund("BACK"))
	redistest.OK(t, r.gateway.Pay(many[0]))
	r.follow(l, time.Minute)
	r.want("LATER", "paid paid_twice")
	r.want("BACK", "paid refunded")
	r.want(many[0], "paid")
	if second := r.published()["LATER"][1]; second.Syssn == r.published()["LATER"][0].Syssn {
		t.Errorf("%+v", second)
	}
	for number, all := range r.published() {
		if seen := words(all); strings.Count(seen, "paid ")+strings.Count(seen, "refunded") > 2 {
			t.Errorf("%s: %s", number, seen)
		}
	}
}

// A notification of another payment of a paid code proves nothing by itself: QFPay is asked, wherever its
// row may be.
func TestFollower_AsksAfterANotificationOfASecondPayment(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Duplicate: simulator.DuplicateNone})
	l := r.newLeader("default")
	r.create("TWICE", nil)
	r.create("ONCE", nil)
	redistest.OK(t, r.gateway.Pay("TWICE"))
	redistest.OK(t, r.gateway.Pay("ONCE"))
	r.follow(l, 20*time.Second)
	r.gateway.Advance(2 * time.Hour)
	r.create2("TWICE")
	for _, number := range []string{"TWICE", "ONCE"} {
		n := qfpay.Notification{Type: qfpay.NotifyPayment, OutTradeNo: number, Syssn: "another", TxAmt: 2500, TxCurrCd: "HKD"}
		if result, err := r.Book.Notified(t.Context(), "default", n); result != Known || err != nil {
			t.Errorf("%s: %s, %v", number, result, err)
		}
	}
	r.follow(l, 5*time.Second)
	r.want("TWICE", "paid paid_twice")
	r.want("ONCE", "paid")
	if n := r.rdb.ZCard(t.Context(), r.Book.Keys.Open("default")).Val(); n != 0 {
		t.Errorf("%d codes are open", n)
	}
}

// create2 lets the gateway accept a number a second time, and its customer pay.
func (r *rig) create2(number string) {
	r.t.Helper()
	o := qfpay.Order{OutTradeNo: number, PayType: qfpay.AlipayHK, TxAmt: 2500, TxCurrCd: "HKD", TxDtm: "2026-03-10 12:00:00"}
	_, err := r.client.CreatePayment(r.t.Context(), o, nil)
	redistest.OK(r.t, err)
	redistest.OK(r.t, r.gateway.Pay(number))
}

// 1,200 open codes, of which 720 are paid: 8 calls for the rows, and one more where a page was full. When
// nobody pays, a sweep is a call for some 400 payments.
func TestFollower_CostsACallForAHundredPayments(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	l := r.newLeader("default")
	for i := range 1200 {
		r.create(fmt.Sprint("C", i), nil)
		if i%6 == 0 {
			r.gateway.Advance(time.Second)
		}
	}
	for i := range 720 {
		redistest.OK(t, r.gateway.Pay(fmt.Sprint("C", i)))
	}
	r.gateway.Advance(20 * time.Second)
	r.calls = 0
	redistest.OK(t, l.round(t.Context(), r.client))
	if n := len(r.published()); n != 720 || r.calls > 8 {
		t.Errorf("%d events with %d calls, want 720 with 8", n, r.calls)
	}
	r.gateway.Advance(time.Minute)
	r.calls = 0
	redistest.OK(t, l.round(t.Context(), r.client))
	if n := len(r.published()); n != 720 || r.calls > 3 {
		t.Errorf("%d events with %d calls, where nobody has paid", n, r.calls)
	}
	redistest.OK(t, r.gateway.Pay("C1000"))
	r.gateway.Advance(time.Minute)
	redistest.OK(t, l.round(t.Context(), r.client))
	r.want("C1000", "paid")
}

// 400 codes that QFPay shows unpaid for good: a look at them is four calls, not a hundred, and a few at most for
// single ones; and each is looked at until it is paid after all.
func TestFollower_CodesThatNeverEndCostACallForAHundred(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	l := r.newLeader("default")
	for i := range 400 {
		r.create(fmt.Sprintf("UNPAID-%020d", i), func(o *qfpay.Order) { o.ExpiredTime = 120 })
		id := fmt.Sprintf("default:UNPAID-%020d", i) // QFPay lets it live longer than it said
		redistest.OK(t, r.rdb.HSet(t.Context(), r.Book.Keys.Order(id), "qr_expires_at", noon.Add(5*time.Minute).Format(time.RFC3339)).Err())
	}
	r.follow(l, 20*time.Minute)
	looks := 0
	for range 30 {
		r.calls = 0
		r.follow(l, 2*time.Minute)
		if looks += min(r.calls, 1); r.calls > 5+mostApart {
			t.Errorf("%d calls in two minutes", r.calls)
		}
	}
	if looks < 3 || looks > 8 {
		t.Errorf("looked at %d times in an hour", looks)
	}
	if n := l.overdue(); n != 400 || strings.Count(r.log.String(), "count=400") != 1 || !strings.Contains(r.log.String(), "default:UNPAID-00000000000000000000 ") {
		t.Errorf("%d are overdue, logged: %s", n, r.log.String())
	}
	another := r.newLeader("default")
	redistest.OK(t, another.refresh(t.Context()))
	if n := another.overdue(); n != 0 {
		t.Errorf("%d are overdue, and it has not asked QFPay", n)
	}
	redistest.OK(t, r.gateway.Pay(fmt.Sprintf("UNPAID-%020d", 7)))
	r.follow(l, time.Hour)
	r.want(fmt.Sprintf("UNPAID-%020d", 7), "paid")
}

// Codes that QFPay does not have at all are asked about one by one. Those that live do not wait for them.
func TestFollower_ManyMissingCodesHoldUpNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	l := r.newLeader("default")
	for i := range 200 {
		r.publishCode(qfpay.Order{OutTradeNo: fmt.Sprintf("MISSING-%020d", i), PayType: qfpay.AlipayHK, TxAmt: 1, TxCurrCd: "HKD"}, "S", "2026-03-10 12:00:00")
	}
	r.gateway.Advance(31 * time.Minute)
	for range 60 {
		r.calls = 0
		redistest.OK(t, l.round(t.Context(), r.client))
		if r.calls > 4+2*mostApart {
			t.Fatalf("%d calls in one round", r.calls)
		}
		r.gateway.Advance(5 * time.Second)
	}
	r.follow(l, 10*time.Minute)
	for i := range 200 {
		r.want(fmt.Sprintf("MISSING-%020d", i), "expired")
	}
}

// A new leader that finds codes of many days does not read all those days before it looks at those that live.
func TestFollower_ALongHistoryHoldsUpNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	for i := range 100 {
		r.create(fmt.Sprintf("OLD-%020d", i), nil)
		r.gateway.Advance(time.Hour)
	}
	l := r.newLeader("default")
	r.create("NEW", nil)
	redistest.OK(t, r.gateway.Pay("NEW"))
	r.gateway.Advance(10 * time.Second)
	redistest.OK(t, l.round(t.Context(), r.client))
	r.want("NEW", "paid")
	if r.calls -= 101; r.calls > 4*mostApart {
		t.Errorf("%d calls in one round", r.calls)
	}
	r.follow(l, time.Minute)
	for i := range 100 {
		r.want(fmt.Sprintf("OLD-%020d", i), "expired")
	}
}

// Windows never cross a month in UTC+8.
func TestFollower_AsksEachMonthByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.gateway.Advance(qfpayTime("2026-03-31 23:58:00").Sub(noon))
	l := r.newLeader("default")
	for i := range 60 {
		r.create(fmt.Sprint("NUMBER-OF-TWENTY-", i), nil)
		r.gateway.Advance(4 * time.Second)
	}
	for i := range 60 {
		redistest.OK(t, r.gateway.Pay(fmt.Sprint("NUMBER-OF-TWENTY-", i)))
		r.gateway.Advance(4 * time.Second)
		if i%5 == 0 {
			redistest.OK(t, l.round(t.Context(), r.client))
		}
	}
	r.follow(l, time.Minute)
	if n := len(r.published()); n != 60 {
		t.Errorf("%d of 60", n)
	}
}

func qfpayTime(text string) time.Time {
	at, err := qfpay.ParseDateTime(text)
	if err != nil {
		panic(err)
	}
	return at
}

// One process follows a merchant; when it dies another one does.
func TestFollower_HasOneLeader(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	a, b := r.newLeader("default"), r.newLeader("default")
	for i, c := range []struct {
		who  *leader
		want bool
	}{{a, true}, {b, false}, {a, true}} {
		if leads, err := c.who.lead(t.Context()); err != nil || leads != c.want {
			t.Errorf("%d: %t, %v", i, leads, err)
		}
	}
	if ttl := r.rdb.PTTL(t.Context(), r.Book.Keys.Follower("default")).Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("the lease ends in %s", ttl)
	}
	redistest.OK(t, r.rdb.Del(t.Context(), r.Book.Keys.Follower("default")).Err())
	if leads, err := b.lead(t.Context()); err != nil || !leads {
		t.Errorf("%t, %v", leads, err)
	}
}

// While QFPay fails nothing is published, and nothing is lost.
func TestFollower_PublishesNothingWhileQFPayFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	l := r.newLeader("default")
	for i := range 30 {
		r.create(fmt.Sprint("NUMBER-OF-TWENTY-", i), nil)
	}
	redistest.OK(t, r.gateway.Pay("NUMBER-OF-TWENTY-1"))
	r.gateway.Choose(func(simulator.Call) simulator.Fault { return "http_502" })
	r.gateway.Advance(40 * time.Minute)
	var unanswered *qfpay.Unanswered
	if err := l.round(t.Context(), r.client); !errors.As(err, &unanswered) || !byGateway(err) {
		t.Errorf("%v", err)
	}
	if n := len(r.published()); n != 0 {
		t.Errorf("%d events", n)
	}
	r.gateway.Choose(nil)
	r.follow(l, time.Minute)
	r.want("NUMBER-OF-TWENTY-1", "paid")
	r.want("NUMBER-OF-TWENTY-2", "expired")
}

var _ event.Observer = (*rig)(nil)
