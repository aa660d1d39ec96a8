package payments

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	eventScript = redisscript.Load(luaFiles, "payment_event")
	leadScript  = redisscript.Load(luaFiles, "lead")
)

// The results of [Book.Notified].
const (
	Recorded = "recorded" // the event was published now
	Known    = "known"    // it was published before, or QFPay itself has shown otherwise
	Unknown  = "unknown"  // there is no published code under the number that is followed
	Mismatch = "mismatch" // another amount or currency, or a refund of what is not known to be paid
)

// Book publishes what became of codes. It is safe for concurrent use, also by several processes: each
// event is published once.
type Book struct {
	Redis    redis.UniversalClient
	Keys     tasks.Keys
	Observer event.Observer
	Logger   *slog.Logger
}

// page is what the journal says of a code.
type page struct {
	Code
	payment string // open, or the final event; "": its code is not followed
	paidAs  string // syssn of the payment that is known
}

// journalFields are read of each code.
var journalFields = []string{"payment", "order", "issued_as", "syssn", "sysdtm", "qr_expires_at", "settled_at", "close_asked_at", "reserved_for", "batch", "paid_as"}

// open reads the pages of codes. Those without a journal, or with one that cannot be read, are empty.
func (b *Book) open(ctx context.Context, ids ...string) ([]page, error) {
	pipe := b.Redis.Pipeline()
	replies := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		replies[i] = pipe.HMGet(ctx, b.Keys.Order(id), journalFields...)
	}
	if err := redispipe.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("payments: read journals: %w", err)
	}
	pages := make([]page, len(ids))
	for i, id := range ids {
		fields := map[string]string{}
		for n, v := range replies[i].Val() {
			fields[journalFields[n]], _ = v.(string)
		}
		pages[i] = readPage(id, fields)
		if number := fields["reserved_for"]; number != "" { // the number of a reissue
			others, err := b.open(ctx, number)
			if err != nil {
				return nil, err
			}
			pages[i] = others[0]
		}
	}
	return pages, nil
}

func readPage(id string, f map[string]string) page {
	var o struct {
		PayType  qfpay.PayType `json:"pay_type"`
		TxAmt    int64         `json:"txamt"`
		TxCurrCd string        `json:"txcurrcd"`
		Batch    string        `json:"batch"`
	}
	ms, err := strconv.ParseInt(f["settled_at"], 10, 64)
	if f["payment"] == "" || err != nil || json.Unmarshal([]byte(f["order"]), &o) != nil {
		return page{}
	}
	merchant, outTradeNo, _ := strings.Cut(id, ":")
	c := Code{Merchant: merchant, IssuedAs: f["issued_as"], Syssn: f["syssn"], Batch: cmp.Or(f["batch"], o.Batch), PublishedAt: time.UnixMilli(ms),
		Order:       qfpay.Order{OutTradeNo: outTradeNo, PayType: o.PayType, TxAmt: o.TxAmt, TxCurrCd: o.TxCurrCd},
		CancelAsked: f["close_asked_at"] != ""}
	if c.SysDtm, err = qfpay.ParseDateTime(f["sysdtm"]); err != nil {
		c.SysDtm = c.PublishedAt
	}
	c.Expires, _ = time.Parse(time.RFC3339, f["qr_expires_at"])
	return page{Code: c, payment: f["payment"], paidAs: f["paid_as"]}
}

// Notified takes a notification of QFPay about an order of the merchant, whose signature was verified.
// When it returns without an error, what the notification proves is in the stream; with one, QFPay must
// send it again.
func (b *Book) Notified(ctx context.Context, merchant string, n qfpay.Notification) (result string, err error) {
	if n.Order() == "" {
		return Unknown, nil
	}
	pages, err := b.open(ctx, merchant+":"+n.Order())
	if err != nil {
		return "", err
	}
	p := pages[0]
	if p.payment == "" {
		return Unknown, nil
	}
	notice := ReadNotification(p.Code, n, p.paidAs)
	if notice.Event == "" {
		return Mismatch, nil
	}
	if notice.Doubtful { // perhaps a second payment: the next query shows it
		err := b.Redis.ZAdd(ctx, b.Keys.Open(merchant), redis.Z{Score: float64(p.PublishedAt.UnixMilli()), Member: p.ID()}).Err()
		return Known, err
	}
	row := qfpay.Record{Syssn: n.Syssn, PayDtm: n.PayDtm}
	answer, err := b.publish(ctx, p.Code, notice.Event, row, tasks.ByNotification)
	switch answer {
	case "published":
		return Recorded, err
	case "known":
		return Known, err
	case "none", "early": // a refund may overtake its payment: QFPay sends it again
		return Unknown, err
	}
	return Mismatch, err
}

// Seen takes the rows that QFPay has just shown of one order, to somebody other than the follower. When it
// returns an error, the follower will see them too.
func (b *Book) Seen(ctx context.Context, id string, rows []qfpay.Record) error {
	pages, err := b.open(ctx, id)
	if err != nil || pages[0].payment == "" {
		return err
	}
	c := pages[0].Code
	s := Read(c, rows, time.Now())
	for _, e := range s.events() {
		if _, err := b.publish(ctx, c, e.event, e.row, tasks.ByEnquiry); err != nil {
			return err
		}
	}
	return nil
}

// publish publishes an event, unless it is known, and returns the script's answer.
func (b *Book) publish(ctx context.Context, c Code, e tasks.PaymentEvent, row qfpay.Record, seenBy string) (string, error) {
	now, err := b.Redis.Time(ctx).Result()
	if err != nil {
		return "", fmt.Errorf("payments: time: %w", err)
	}
	p := tasks.Payment{
		V: tasks.PaymentVersion, ID: c.ID() + ":" + string(e), Merchant: c.Merchant, OutTradeNo: c.Order.OutTradeNo, IssuedAs: c.IssuedAs,
		Event: string(e), PayType: string(c.Order.PayType), TxAmt: strconv.FormatInt(c.Order.TxAmt, 10), TxCurrCd: c.Order.TxCurrCd,
		Syssn: row.Syssn, SeenBy: seenBy, At: now.UTC().Format(tasks.TimeLayout), Batch: c.Batch,
	}
	if at, err := qfpay.ParseDateTime(row.PayDtm); err == nil && e != tasks.Lapsed && e != tasks.Closed {
		p.PaidAt = at.UTC().Format(tasks.TimeLayout)
	}
	keys := []string{b.Keys.Order(c.ID()), b.Keys.Open(c.Merchant), b.Keys.Payments()}
	answer, err := eventScript.Run(ctx, b.Redis, keys, append([]any{c.ID(), string(e), c.IssuedAs}, p.Values()...)...).Slice()
	if err != nil || len(answer) == 0 {
		return "", fmt.Errorf("payments: publish %s: %w", e, cmp.Or(err, errEmpty))
	}
	word := redisscript.Texts(answer)[0]
	b.report(p, c, word, redisscript.Texts(answer), now)
	return word, nil
}

var errEmpty = fmt.Errorf("empty answer")

// report observes what was published, and logs what a person must know.
func (b *Book) report(p tasks.Payment, c Code, word string, answer []string, now time.Time) {
	attrs := []any{"merchant", p.Merchant, "out_trade_no", p.OutTradeNo, "event", p.Event, "seen_by", p.SeenBy, "syssn", p.Syssn}
	late := word == "known" && p.Event == string(tasks.Paid) && answer[1] != string(tasks.Paid)
	switch {
	case late:
		b.Logger.Error("a code was paid after QFPay had shown that it could not be paid any more; a person must refund it, or deliver",
			append(attrs, "published_before", answer[1])...)
		b.Observer.Observe(event.PaidLate{Merchant: c.Merchant})
	case word != "published":
	case p.Event == string(tasks.PaidTwice):
		b.Logger.Warn("a code was paid twice; one of the payments must be refunded", attrs...)
	default:
		b.Logger.Debug("payment event", attrs...)
	}
	if word == "published" {
		took := now
		if at, err := time.Parse(tasks.TimeLayout, p.PaidAt); err == nil {
			took = at
		}
		b.Observer.Observe(event.Payment{Merchant: c.Merchant, PayType: c.Order.PayType, Event: tasks.PaymentEvent(p.Event), Took: took.Sub(c.PublishedAt)})
	}
}
