package simulator

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// retrySchedule is the delay after each attempt without SUCCESS: seven retries (pages of
// 2026).
var retrySchedule = []time.Duration{2 * time.Minute, 10 * time.Minute, 10 * time.Minute,
	60 * time.Minute, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour}

// maxMail is the most notifications that wait for delivery. If there are more, the oldest is
// dropped.
const maxMail = 10_000

// letter is one notification to deliver.
type letter struct {
	url, body, signature string
	due                  time.Time
	attempts             int
	afterNext            bool // it lets the next letter pass
}

// mailbox holds the notifications that are to be sent.
type mailbox struct {
	waiting []*letter
	news    chan struct{} // receives an element when something changes
}

func newMailbox() mailbox { return mailbox{news: make(chan struct{}, 1)} }

func (m *mailbox) wake() {
	select {
	case m.news <- struct{}{}:
	default:
	}
}

func (m *mailbox) put(l *letter) {
	if len(m.waiting) == maxMail {
		m.waiting = slices.Delete(m.waiting, 0, 1)
	}
	for _, before := range m.waiting {
		if before.afterNext && !l.afterNext {
			before.due, before.afterNext = l.due.Add(time.Millisecond), false
		}
	}
	m.waiting = append(m.waiting, l)
	m.wake()
}

// take removes the next letter if it is due. Otherwise it returns the time until then, and
// whether there is a letter at all.
func (m *mailbox) take(now time.Time) (l *letter, wait time.Duration, any bool) {
	if len(m.waiting) == 0 {
		return nil, 0, false
	}
	next := 0
	for i, l := range m.waiting {
		if l.due.Before(m.waiting[next].due) {
			next = i
		}
	}
	if wait := m.waiting[next].due.Sub(now); wait > 0 {
		return nil, wait, true
	}
	l = m.waiting[next]
	m.waiting = slices.Delete(m.waiting, next, next+1)
	return l, 0, true
}

// notify prepares the notification of a payment or a refund; QFPay has no others. original is
// the refunded payment.
func (b *books) notify(o, original *Order, now time.Time) {
	drawn, fields := b.drawNotices(), notification(o, original)
	if drawn[notifyCancel] && original != nil {
		fields = fields.set("notify_type", "cancel")
	}
	b.send(o, fields, drawn, now)
}

// drawNotices draws the faults of one notification. They are always as many, so that they depend only
// on the order of the notifications.
func (b *books) drawNotices() map[Fault]bool {
	drawn := map[Fault]bool{}
	for _, f := range notifyFaults {
		drawn[f.name] = b.notices.Float64() < b.faults[f.name]
	}
	return drawn
}

// send puts a notification into the mailbox.
func (b *books) send(o *Order, fields object, drawn map[Fault]bool, now time.Time) {
	url := b.config.Notify.URL
	if b.config.Notify.FromOrder && o.NotifyURL != "" {
		url = o.NotifyURL
	}
	if url == "" || drawn[notifyLost] {
		return
	}
	account := b.accounts[o.AppCode]
	key := cmp.Or(account.NotifyKey, account.Key)
	if drawn[notifyBadSignature] {
		key += "?"
	}
	body := fields.String()
	l := letter{url: url, body: body, due: now, signature: digest("MD5", body, key)}
	switch {
	case drawn[notifyMissed]:
		l.due, l.attempts = now.Add(retrySchedule[0]), 1
	case drawn[notifyLate]:
		l.due = now.Add(b.config.Late)
	case drawn[notifyReordered]:
		l.due, l.afterNext = now.Add(b.config.Late), true
	}
	b.mail.put(&l)
	if drawn[notifyTwice] {
		again := l
		b.mail.put(&again)
	}
}

// forgeNotice has somebody without the key notify of an order that nobody has paid.
func (b *books) forgeNotice(o *Order, now time.Time) {
	if b.notices.Float64() < b.faults[notifyForged] {
		claimed := *o
		claimed.PayDtm = stamp(now)
		b.send(o, notification(&claimed, nil), map[Fault]bool{notifyBadSignature: true}, now)
	}
}

// notification returns the body of a notification: only strings. For a refund, syssn and
// out_trade_no are those of the refund, and there are fewer fields, as captured in 2025.
func notification(o, original *Order) object {
	fields := object{
		{"status", "1"}, {"pay_type", string(o.PayType)}, {"sysdtm", o.SysDtm}, {"paydtm", o.PayDtm},
		{"goods_name", o.GoodsName}, {"txcurrcd", o.TxCurrCd}, {"cancel", "0"}, {"respcd", "0000"},
		{"txdtm", o.TxDtm}, {"txamt", strconv.FormatInt(o.TxAmt, 10)}, {"out_trade_no", o.OutTradeNo},
		{"syssn", o.Syssn}, {"notify_type", o.OrderType},
	}
	if o.MchID != "" {
		fields = append(fields, field{"mchid", o.MchID})
	}
	if original != nil {
		for _, name := range []string{"pay_type", "paydtm", "goods_name", "cancel"} {
			fields = without(fields, name)
		}
		fields = append(fields, field{"orig_out_trade_no", original.OutTradeNo}, field{"orig_syssn", original.Syssn})
	}
	return fields
}
