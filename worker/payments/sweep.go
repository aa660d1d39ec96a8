package payments

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

const (
	// stretchRows is about how many rows one stretch has: as many calls read it again when it has changed,
	// at a hundred rows a call, and one call sees that it has not.
	stretchRows = 400
	// stretchGap is the longest time without codes that is still read as a part of a stretch.
	stretchGap = 10 * time.Minute
	// mostPaid bounds how many paid codes a leader remembers.
	mostPaid = 50_000
)

// stretch is a span of sysdtm, in Unix seconds and including both ends, that was read with the filter
// 0000: payments, and their refunds, never leave it. So while it has as many rows as before, nobody has paid
// in it, and the last page shows how many it has.
type stretch struct {
	from, to int64
	rows     int
}

// ask asks about codes: by their numbers when one call does for all, else in windows of sysdtm, for the
// rows with a respcd. What a window does not show proves nothing.
func (l *leader) ask(ctx context.Context, client *qfpay.Client, codes []*followed, respCd qfpay.RespCd) error {
	if len(codes) == 0 {
		return nil
	}
	asked := l.now()
	if qfpay.Queries(numbersOf(codes)) <= 1 {
		return l.askByThemselves(ctx, client, codes)
	}
	seconds := make([]int64, len(codes))
	for i, c := range codes {
		seconds[i] = c.SysDtm.Unix()
	}
	slices.Sort(seconds)
	var ranges []stretch
	if respCd == "0000" {
		var err error
		if ranges, err = l.changed(ctx, client, seconds); err != nil {
			return err
		}
	} else {
		ranges = spans(seconds)
	}
	for _, r := range slices.Backward(byMonth(ranges)) { // the newest first: most payments are of new codes
		if err := l.readRange(ctx, client, r, respCd); err != nil {
			return err
		}
	}
	for _, c := range codes {
		if !c.Over(asked) { // those are asked about by themselves now
			c.looked = asked
		}
	}
	return nil
}

// newest returns the newest of the codes, as many as a few spans of time hold.
func newest(codes []*followed) []*followed {
	slices.SortFunc(codes, func(a, b *followed) int { return b.SysDtm.Compare(a.SysDtm) })
	spans := 1
	for i := 1; i < len(codes); i++ {
		if codes[i-1].SysDtm.Sub(codes[i].SysDtm) <= stretchGap {
			continue
		}
		if spans++; spans > mostApart {
			return codes[:i]
		}
	}
	return codes
}

// changed returns what must be read: the stretches that have other rows than before, with one call for
// each, and what was never read. Stretches without an open code are forgotten.
func (l *leader) changed(ctx context.Context, client *qfpay.Client, seconds []int64) (ranges []stretch, err error) {
	known := l.read[:0:0]
	for _, s := range coalesced(l.read) {
		if !l.anyOpenIn(s) {
			continue
		}
		if i, _ := slices.BinarySearch(seconds, s.from); i == len(seconds) || seconds[i] > s.to {
			known = append(known, s) // nothing in it is due
			continue
		}
		n, err := l.rows(ctx, client, s, "0000", s.rows/100+1)
		if err != nil {
			return nil, err
		}
		if n == s.rows%100 {
			known = append(known, s)
		} else {
			ranges = append(ranges, s)
		}
	}
	asked := slices.Concat(known, ranges)
	fresh := slices.DeleteFunc(slices.Clone(seconds), func(at int64) bool {
		return slices.ContainsFunc(asked, func(s stretch) bool { return s.from <= at && at <= s.to })
	})
	l.read = known
	return joined(slices.Concat(ranges, l.adjacent(spans(fresh), asked))), nil
}

// anyOpenIn reports whether an open code is in a stretch.
func (l *leader) anyOpenIn(s stretch) bool {
	for _, c := range l.codes {
		if at := c.SysDtm.Unix(); s.from <= at && at <= s.to {
			return true
		}
	}
	return false
}

// adjacent lets new spans begin where a stretch before them ends, and cuts them where one lies within.
func (l *leader) adjacent(fresh, asked []stretch) (all []stretch) {
	slices.SortFunc(asked, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	for _, s := range fresh {
		for _, a := range asked {
			if a.to < s.from && s.from-a.to <= int64(stretchGap/time.Second) {
				s.from = a.to + 1
			}
			if s.from < a.from && a.from <= s.to {
				all = append(all, stretch{from: s.from, to: a.from - 1})
				s.from = a.to + 1
			}
		}
		if s.from <= s.to {
			all = append(all, s)
		}
	}
	return all
}

// spans returns the spans of time that hold these moments, in ascending order.
func spans(seconds []int64) (all []stretch) {
	for _, at := range seconds {
		if n := len(all); n > 0 && at-all[n-1].to <= int64(stretchGap/time.Second) {
			all[n-1].to = at
		} else {
			all = append(all, stretch{from: at, to: at})
		}
	}
	return all
}

// coalesced joins neighbours that are small together.
func coalesced(read []stretch) (all []stretch) {
	slices.SortFunc(read, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	for _, s := range read {
		if n := len(all); n > 0 && all[n-1].to+1 == s.from && all[n-1].rows+s.rows <= stretchRows && len(byMonth([]stretch{{from: all[n-1].from, to: s.to}})) == 1 {
			all[n-1].to, all[n-1].rows = s.to, all[n-1].rows+s.rows
		} else {
			all = append(all, s)
		}
	}
	return all
}

// byMonth cuts ranges where a month ends: each window lies within one.
func byMonth(ranges []stretch) (all []stretch) {
	for _, r := range ranges {
		for _, w := range qfpay.Windows(time.Unix(r.from, 0), time.Unix(r.to, 0), "") {
			all = append(all, stretch{from: w.From.Unix(), to: w.To.Unix()})
		}
	}
	return all
}

// joined joins ranges that touch, whatever their rows.
func joined(ranges []stretch) (all []stretch) {
	slices.SortFunc(ranges, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	for _, s := range ranges {
		if n := len(all); n > 0 && all[n-1].to+1 >= s.from {
			all[n-1].to = max(all[n-1].to, s.to)
		} else {
			all = append(all, s)
		}
	}
	return all
}

// readRange reads a range, and keeps how many rows its parts have.
func (l *leader) readRange(ctx context.Context, client *qfpay.Client, r stretch, respCd qfpay.RespCd) error {
	var at []int64
	seen := map[string]bool{}
	l.collect = func(row qfpay.Record) {
		moment, err := qfpay.ParseDateTime(row.SysDtm)
		if key := row.Syssn + row.OrderType; err == nil && !seen[key] { // a page may repeat rows of the one before
			seen[key] = true
			at = append(at, moment.Unix())
		}
	}
	defer func() { l.collect = nil }()
	if _, err := l.rows(ctx, client, r, respCd, 1); err != nil {
		return err
	}
	if respCd == "0000" {
		slices.Sort(at)
		l.read = append(l.read, divided(r, at)...)
	}
	return nil
}

// divided cuts a range, of which all rows are known, into stretches.
func divided(r stretch, at []int64) (all []stretch) {
	for len(at) > stretchRows {
		cut := at[stretchRows-1] // all rows of this second belong to the stretch
		n, _ := slices.BinarySearch(at, cut+1)
		all = append(all, stretch{r.from, cut, n})
		r.from, at = cut+1, at[n:]
	}
	if r.from <= r.to {
		all = append(all, stretch{r.from, r.to, len(at)})
	}
	return all
}

// rows reads the rows of a range from a page on, publishes what they show, and returns how many there
// were.
func (l *leader) rows(ctx context.Context, client *qfpay.Client, r stretch, respCd qfpay.RespCd, first int) (n int, err error) {
	w := qfpay.Window{From: time.Unix(r.from, 0), To: time.Unix(r.to, 0), RespCd: respCd}
	var failed error
	n, err = client.QueryWindow(ctx, w, first, func(rows []qfpay.Record) bool {
		failed = l.seeRows(ctx, rows)
		return failed == nil
	})
	return n, cmp.Or(err, failed)
}

// seeRows publishes what the rows of a window show: of open codes everything, and of those that are paid
// already whether they were refunded, or paid twice. Rows of other programs are none of ours.
func (l *leader) seeRows(ctx context.Context, rows []qfpay.Record) error {
	now := l.now()
	byCode := map[*followed][]qfpay.Record{}
	var others []qfpay.Record
	for _, r := range rows {
		if l.collect != nil {
			l.collect(r)
		}
		if c := l.ofRow(r); c != nil {
			byCode[c] = append(byCode[c], r)
		} else if isPayment(r) && r.Standing() == qfpay.Paid {
			others = append(others, r)
		}
	}
	for c, own := range byCode {
		s := Read(c.Code, own, now)
		if s.Unpaid != "" && c.Over(now) {
			c.looked, c.absent = now, 0
		}
		if err := l.see(ctx, c, s); err != nil {
			return err
		}
	}
	return l.seeAgain(ctx, others)
}

// seeAgain looks at payments whose codes are not open.
func (l *leader) seeAgain(ctx context.Context, rows []qfpay.Record) error {
	id := func(r qfpay.Record) string {
		return tasks.Payment{Merchant: l.merchant, OutTradeNo: strings.TrimSpace(r.OutTradeNo)}.OrderID()
	}
	var unread []string
	for _, r := range rows {
		if _, known := l.paid[id(r)]; !known {
			unread = append(unread, id(r))
		}
	}
	if len(l.paid) > mostPaid {
		clear(l.paid)
	}
	pages, err := l.Book.open(ctx, unread...)
	if err != nil {
		return err
	}
	for i, p := range pages {
		l.paid[unread[i]] = p
	}
	for _, r := range rows {
		p := l.paid[id(r)]
		switch {
		case p.payment == "open": // it was published a moment ago
			delete(l.paid, id(r))
			continue
		case p.payment != string(tasks.Paid) || !r.Matches(p.Code.Order):
			continue
		}
		c, s := &followed{Code: p.Code}, Sight{}
		s.paid(p.Code, r)
		if r.Syssn != p.paidAs && p.paidAs != "" {
			if err := l.publish(ctx, c, tasks.PaidTwice, r); err != nil {
				return err
			}
		} else if s.Refunded {
			if err := l.publish(ctx, c, tasks.Refunded, r); err != nil {
				return err
			}
		}
	}
	return nil
}
