package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// wide is a rune that is two columns wide on the screen.
const wide = "茶"

// journal writes the journal of an order, with fields as a worker would leave them.
func journal(t *testing.T, rdb *redis.Client, id string, fields ...any) {
	t.Helper()
	merchant, outTradeNo, _ := strings.Cut(id, ":")
	o := tasks.Order{Merchant: merchant, Lane: tasks.Bulk, Deadline: time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC),
		Order: qfpay.Order{OutTradeNo: outTradeNo, PayType: qfpay.AlipayHK, TxAmt: 1250, TxCurrCd: "HKD", TxDtm: "2026-03-01 12:00:00",
			GoodsName: strings.Repeat(wide, 20), NotifyURL: "https://shop.example/notify?" + strings.Repeat("a=1&", 40)}}
	if _, err := tasks.NewProducer(rdb, tasks.Keys{Prefix: "{qfpay}"}).Accept(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	set(t, rdb, id, append([]any{"accepted_at", 1772337600000}, fields...)...)
}

func set(t *testing.T, rdb *redis.Client, id string, fields ...any) {
	t.Helper()
	if err := rdb.HSet(t.Context(), "{qfpay}:order:"+id, fields...).Err(); err != nil {
		t.Fatal(err)
	}
}

// settledOrder writes an order that has the given result.
func settledOrder(t *testing.T, rdb *redis.Client, r tasks.Result) (entry string) {
	t.Helper()
	id := r.OrderID()
	entry = publish(t, rdb, r)[0]
	journal(t, rdb, id, "state", "DONE", "outcome", r.Outcome, "entry", entry, "reissues", 1, "creates_sent", 1, "attempts", 2,
		"deferred_for", "doubt", "first_attempt_at", 1772337601000, "first_sent_at", 1772337602000, "sent_at", 1772337603000,
		"settled_at", 1772337604567, "settled_from", "SENT")
	if err := rdb.ZRem(t.Context(), "{qfpay}:due", id).Err(); err != nil {
		t.Fatal(err)
	}
	return entry
}

func unresolved(number string) tasks.Result {
	r := result(number)
	r.Outcome, r.QRCode, r.RespCd, r.Reason = "unresolved", "", "", "stands unpaid at QFPay, and its QR code is lost"
	return r
}

func TestOrder_IsShownWithin80Columns(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	r := result("A1")
	r.IssuedAs, r.RespMsg, r.SettledAt = "A1_2", "\x1b[2J"+strings.Repeat("x", 80), "2026-03-01T04:00:04.567Z"
	entry := settledOrder(t, rdb, r)
	set(t, rdb, "default:A1", "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	got := command(t, []string{"REDIS_URL=" + server.URL}, "order", "show", "A1")
	want := strings.Join([]string{
		"order         default:A1",
		"state         DONE, created",
		"reissues      1, issued as A1_2",
		"creates sent  1",
		"attempts      2",
		"deferred for  doubt",
		"accepted      2026-03-01T04:00:00.000Z",
		"first tried   2026-03-01T04:00:01.000Z",
		"first sent    2026-03-01T04:00:02.000Z",
		"last sent     2026-03-01T04:00:03.000Z",
		"settled       2026-03-01T04:00:04.567Z",
		"traceparent   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"",
		"merchant      default",
		"out_trade_no  A1",
		"pay_type      801501",
		"txamt         1250",
		"txcurrcd      HKD",
		"goods_name    " + strings.Repeat(wide, 20),
		"notify_url    https://shop.example/notify?a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=",
		"              1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&",
		"              a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&",
		"txdtm         2026-03-01 12:00:00",
		"deadline      2026-03-02T04:00:00Z",
		"lane          bulk",
		"",
		"result        " + entry + ", created",
		"id            default:A1",
		"issued_as     A1_2",
		"respcd        0000",
		`respmsg       \u001b[2J` + strings.Repeat("x", 57),
		"              " + strings.Repeat("x", 23),
		"syssn         20260302000300020012345678",
		"settled_at    2026-03-01T04:00:04.567Z",
		"qrcode        available; --qr draws it",
		"",
	}, "\n")
	if d := cmp.Diff(want, got.out); d != "" || got.code != exitDone || got.err != "" {
		t.Errorf("exit code %d, %q\n%s", got.code, got.err, d)
	}
	for line := range strings.Lines(got.out) {
		if width := utf8.RuneCountInString(line) - 1 + strings.Count(line, wide); width > 80 {
			t.Errorf("%d columns: %s", width, line)
		}
	}
	if drawn := command(t, []string{"REDIS_URL=" + server.URL}, "order", "show", "A1", "--qr"); !strings.Contains(drawn.out, "▄▄▄▄▄") || drawn.code != exitDone {
		t.Errorf("no QR code: %+v", drawn)
	}
}

func TestOrder_IsShownWithItsPayment(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	settings := []string{"REDIS_URL=" + server.URL}
	settledOrder(t, rdb, result("A1"))
	paidAt := "2026-03-01T04:01:00.000Z"
	for _, c := range []struct {
		fields []any
		want   *inspect.Payment
		shown  string
		listed string
	}{
		{nil, nil, "", ""},
		{[]any{"payment", "open"}, &inspect.Payment{State: "open"}, "payment       open\n", ""},
		{[]any{"payment", "expired", "payment_entry", "3-0"}, &inspect.Payment{State: "expired", Entry: "3-0"}, "payment       expired\n", "QR code expired"},
		{[]any{"payment", "paid", "paid_at", paidAt, "paid_as", "S1"}, &inspect.Payment{State: "paid", PaidAt: paidAt, Syssn: "S1", Entry: "3-0"},
			"payment       paid at " + paidAt + ", syssn S1\n", "paid at " + paidAt},
		{[]any{"refunded", "4-0", "paid_twice", "5-0"}, &inspect.Payment{State: "paid", PaidAt: paidAt, Syssn: "S1", Refunded: true, Twice: true, Entry: "3-0"},
			"payment       paid at " + paidAt + ", syssn S1; refunded; paid twice\n", "paid at " + paidAt},
	} {
		if c.fields != nil {
			set(t, rdb, "default:A1", c.fields...)
		}
		var h inspect.History
		if err := json.Unmarshal([]byte(command(t, settings, "order", "show", "A1", "--format", "json").out), &h); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, h.Payment); diff != "" {
			t.Errorf("%v (-want +got)\n%s", c.fields, diff)
		}
		if out := command(t, settings, "order", "show", "A1").out; !strings.Contains(out, c.shown) || c.shown == "" && strings.Contains(out, "payment  ") {
			t.Errorf("%v: %s", c.fields, out)
		}
		if out := command(t, settings, "order", "list").out; !strings.Contains(out, c.listed) || c.listed == "" && strings.Contains(out, "paid") {
			t.Errorf("%v: %s", c.fields, out)
		}
	}
}

func TestOrder_UnderWayIsShownWithItsDueTime(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	journal(t, rdb, "shop:A1", "token", "T", "lease_until", time.Now().Add(time.Hour+30*time.Second).UnixMilli())
	env := []string{"REDIS_URL=" + server.URL}
	show := func() string { return command(t, env, "order", "show", "A1", "--merchant=shop").out }
	due := func(z float64) {
		if err := rdb.ZAdd(t.Context(), "{qfpay}:due", redis.Z{Score: z, Member: "shop:A1"}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	due(float64(time.Now().Add(2*time.Hour + 30*time.Second).UnixMilli()))
	if out := show(); !strings.Contains(out, "due           in 2h0m") || !strings.Contains(out, "in flight     yes, for at most 1h0m") {
		t.Errorf("in flight:\n%s", out)
	}
	due(1)
	set(t, rdb, "shop:A1", "lease_until", 1)
	if out := show(); !strings.Contains(out, "due           now\n") || !strings.Contains(out, "in flight     no\n") {
		t.Errorf("due:\n%s", out)
	}
	if err := rdb.ZRem(t.Context(), "{qfpay}:due", "shop:A1").Err(); err != nil {
		t.Fatal(err)
	}
	if out := show(); !strings.Contains(out, "due           no: no worker will process it; run qfpay-worker audit\n") {
		t.Errorf("not in due:\n%s", out)
	}
	if got := command(t, env, "order", "show", "A1", "--merchant=shop", "--qr"); got.err != "qfpay-worker: shop:A1 has no QR code\n" {
		t.Errorf("no QR code: %+v", got)
	}
}

func TestOrder_IsShownWithWhatIsSent(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=" + server.URL}
	line := `{"out_trade_no":"A1","pay_type":"802001","txamt":1250,"txcurrcd":"HKD","goods_name":"Milk Tea ★","expired_time":30}`
	if got := command(t, env, "enqueue", file(t, "orders", line)); got.code != exitDone {
		t.Fatalf("%+v", got)
	}
	for form, want := range map[string][]string{
		"clean": {"goods_name    Milk Tea ★\n              (sent as MilkTea)\n", "expired_time  30\n              (not sent: 802001 does not take it)\n"},
		"asis":  {"goods_name    Milk Tea ★\nexpired_time"},
	} {
		got := command(t, append(env, "QFPAY_GOODS_NAME="+form), "order", "show", "A1")
		for _, w := range want {
			if !strings.Contains(got.out, w) {
				t.Errorf("%s: %q is not in:\n%s", form, w, got.out)
			}
		}
	}
	if got := command(t, env, "order", "show", "A1", "--format=json"); !strings.Contains(got.out, `"goods_name_sent":"MilkTea"`) {
		t.Errorf("%+v", got)
	}
}

func TestOrder_MalformedPayloadIsShownAsItIs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	journal(t, rdb, "default:A1")
	env := []string{"REDIS_URL=" + server.URL}
	for payload, shown := range map[string]string{
		`{"out_trade_no":"A1","amount":5}`: "unknown       map[amount:5]",
		`no JSON`:                          `order         "no JSON"`,
	} {
		set(t, rdb, "default:A1", "order", payload)
		if got := command(t, env, "order", "show", "A1"); !strings.Contains(got.out, shown) || got.code != exitDone {
			t.Errorf("%s: %+v", payload, got)
		}
		var h inspect.History
		if got := command(t, env, "order", "show", "A1", "--format=json"); json.Unmarshal([]byte(got.out), &h) != nil || h.ID != "default:A1" {
			t.Errorf("%s: %+v", payload, got)
		}
	}
}

func TestOrder_ShowsWhatQFPayAnsweredAndWhyNothingCame(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	journal(t, server.Client(t), "default:A1", "row", `{"respcd":"1143","qrcode":"https://q"}`,
		"answer", `{"at":"2026-03-01T04:00:01Z","issued_as":"A1","http_status":403,"signature":"absent","cause":"http_403: HTTP 403","body":"<html>Blocked</html>"}`,
		"no_answer", `{"at":"2026-03-01T04:00:02Z","issued_as":"A1","cause":"not sent: lookup gateway: no such host"}`)
	out := command(t, []string{"REDIS_URL=" + server.URL}, "order", "show", "A1").out
	for _, part := range []string{"last answer   2026-03-01T04:00:01.000Z to A1: http_403: HTTP 403", "signature     absent", "<html>Blocked</html>",
		"no answer     2026-03-01T04:00:02.000Z to A1: not sent: lookup gateway: no such", "last row      available"} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in\n%s", part, out)
		}
	}
	if strings.Contains(out, "https://q") {
		t.Error("the text of a code is shown")
	}
	out = command(t, []string{"REDIS_URL=" + server.URL}, "order", "show", "A1", "--format=json").out
	if !strings.Contains(out, `"row":{"respcd":"1143","qrcode":"https://q"}`) {
		t.Error(out)
	}
}

func TestOrder_InJSONIsOneObject(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	settledOrder(t, server.Client(t), result("A1"))
	got := command(t, []string{"REDIS_URL=" + server.URL}, "order", "show", "A1", "--format=json")
	var h inspect.History
	if err := json.Unmarshal([]byte(got.out), &h); err != nil || strings.Count(got.out, "\n") != 1 {
		t.Fatalf("%v: %s", err, got.out)
	}
	if h.State != "DONE" || h.IssuedAs != "A1_2" || *h.Results[0].Result != result("A1") || !strings.Contains(got.out, "a=1&b=2") {
		t.Errorf("%s", got.out)
	}
}

func TestOrder_RetrySaysHowItGoesOn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	first := settledOrder(t, rdb, unresolved("A1"))
	refused := unresolved("A2")
	refused.Outcome = "rejected"
	settledOrder(t, rdb, refused)
	env := []string{"REDIS_URL=" + server.URL}
	deadline := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	got := command(t, env, "order", "retry", "A1", "--deadline="+deadline.Format(time.RFC3339))
	want := "default:A1 was unresolved and is open again\nstate      SENT: QFPay is queried first for its order number\n" +
		"issued as  A1_2\ndeadline   " + deadline.Format(tasks.TimeLayout) + "\nresult id  default:A1#2\n"
	if d := cmp.Diff(want, got.out); d != "" || got.code != exitDone || got.err != "" {
		t.Errorf("%+v\n%s", got, d)
	}
	if got := command(t, env, "order", "retry", "A2"); !strings.Contains(got.out, "SENT: QFPay is queried first for its order number\nissued as  A2_2\n") {
		t.Errorf("%+v", got)
	}
	out := command(t, env, "order", "show", "A1").out
	for _, shown := range []string{"reopens       1\n", "re-opened     20", "state         SENT\n", "due           now\n", "result        " + first + ", unresolved\n"} {
		if !strings.Contains(out, shown) {
			t.Errorf("%q is not in\n%s", shown, out)
		}
	}
	again := command(t, env, "order", "retry", "A1")
	if again.code != exitInput || !strings.Contains(again.err, "default:A1 cannot be re-opened: it has no result yet (state SENT)") {
		t.Errorf("%+v", again)
	}
}

func TestOrder_RefusalToShowOrRetrySaysWhy(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	settledOrder(t, server.Client(t), result("A1"))
	for _, c := range []struct {
		args string
		says string
	}{
		{"show A2", "default:A2: no such order"},
		{"show A1 --merchant=shop", "shop:A1: no such order"},
		{"show A.1", "out_trade_no: must be 1 to 124 letters"},
		{"show A1 --merchant=a:b", "merchant: must be 1 to 64 letters"},
		{"show A1 --format=yaml", "--format: must be table or json"},
		{"show A1 --format=json --qr", "--qr: requires --format=table"},
		{"show", "out_trade_no"},
		{"retry A2", "default:A2: no such order"},
		{"retry A1", "it is created, and its QR code published"},
		{"retry A1 --deadline=tomorrow", "--deadline: must be a time as RFC 3339"},
	} {
		got := command(t, []string{"REDIS_URL=" + server.URL}, append([]string{"order"}, strings.Fields(c.args)...)...)
		if got.code != exitInput || got.out != "" || !strings.Contains(got.err, c.says) {
			t.Errorf("%s: %+v, want %q", c.args, got, c.says)
		}
	}
	server.Kill()
	for _, args := range []string{"order show A1", "order retry A1", "audit"} {
		if got := command(t, []string{"REDIS_URL=" + server.URL}, strings.Fields(args)...); got.code != exitOutside || !strings.Contains(got.err, "(REDIS_URL) failed") {
			t.Errorf("%s without Redis: %+v", args, got)
		}
	}
}

func TestAudit_NamesBrokenOrders(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	settledOrder(t, rdb, result("A1"))
	journal(t, rdb, "default:A2")
	env := []string{"REDIS_URL=" + server.URL}
	if got := command(t, env, "audit"); got != (ended{exitDone, "orders=2 waiting=1 settled=1 trimmed=0 results=1 payments=0 batches=0 moving=0 broken=0\n", ""}) {
		t.Errorf("%+v", got)
	}
	if err := rdb.ZRem(context.WithoutCancel(t.Context()), "{qfpay}:due", "default:A2").Err(); err != nil {
		t.Fatal(err)
	}
	want := ended{exitOutside, "default:A2: has no result (NEW) and is not in due: no worker will find it\n" +
		"orders=2 waiting=1 settled=1 trimmed=0 results=1 payments=0 batches=0 moving=0 broken=1\n",
		"qfpay-worker: 1 broken; for details of an order, run qfpay-worker order show\n"}
	if got := command(t, env, "audit"); got != want {
		t.Errorf("%+v", got)
	}
}
