package payments

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// Follower asks QFPay about open codes. Every process has one; of each merchant's codes, one process
// at a time is the leader that asks. When it dies another one follows. Two at once would only ask more.
type Follower struct {
	Book      *Book
	Merchants func() []string            // those that this process has, now
	Client    func(string) *qfpay.Client // of a merchant, with the limiter of these calls; nil: it is gone

	now func() time.Time // time.Now; a test has its own
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	if f.now == nil {
		f.now = time.Now
	}
	var all sync.WaitGroup
	defer all.Wait()
	following := map[string]bool{}
	ended := make(chan string)
	for {
		for _, merchant := range f.Merchants() {
			if !following[merchant] {
				following[merchant] = true
				all.Go(func() {
					f.newLeader(merchant).run(ctx)
					select {
					case ended <- merchant:
					case <-ctx.Done():
					}
				})
			}
		}
		select {
		case <-ctx.Done():
			return
		case merchant := <-ended:
			delete(following, merchant)
		case <-time.After(timing.WatchEvery):
		}
	}
}

// leader follows the codes of one merchant while it has the lease.
type leader struct {
	*Follower
	merchant, token string
	log             *slog.Logger

	codes    map[string]*followed // the open ones, by ID
	number   map[string][]string  // their IDs, by order number in lower case
	paid     map[string]page      // those that are not open, by ID, as far as windows have shown them
	collect  func(qfpay.Record)   // is called with each row of a window; may be nil
	again    []page               // paid ones of which a notification has told of another payment
	said     map[string]bool      // events beside the final one that were told to the book already
	read     []stretch            // what windows have shown: see sweep.go
	deadCode qfpay.RespCd         // with which this gateway showed a dead order last
	unpaid   qfpay.RespCd         // with which it showed a code unpaid last whose life was over; "": it never did

	complained time.Time // when overdue codes were logged last
}

// followed is an open code.
type followed struct {
	Code
	looked time.Time // when it was asked about last
	absent int       // how often it was asked about by itself, late enough, and QFPay had nothing
}

func (f *Follower) newLeader(merchant string) *leader {
	if f.now == nil {
		f.now = time.Now
	}
	l := &leader{Follower: f, merchant: merchant, token: rand.Text(), log: f.Book.Logger.With("merchant", merchant)}
	l.forget()
	return l
}

// forget begins anew. All that a leader knows can be read again.
func (l *leader) forget() {
	l.codes, l.number, l.said, l.read, l.paid = map[string]*followed{}, map[string][]string{}, map[string]bool{}, nil, map[string]page{}
	l.deadCode, l.unpaid = "1181", ""
}

// run leads, or waits until nobody else does, until ctx ends or this process has the merchant no more.
func (l *leader) run(ctx context.Context) {
	pause := time.Duration(0)
	for wait.Sleep(ctx, max(pause, timing.FollowEvery)) == nil {
		client := l.Client(l.merchant)
		if client == nil {
			return
		}
		leads, err := l.lead(ctx)
		switch {
		case err == nil && !leads:
			l.forget()
			l.Book.Observer.Observe(event.OpenCodes{Merchant: l.merchant, Codes: -1})
		case err == nil:
			leading, stop := l.keepLeading(ctx)
			err = l.round(leading, client)
			stop()
			l.Book.Observer.Observe(event.OpenCodes{Merchant: l.merchant, Codes: len(l.codes), Overdue: l.overdue()})
			if len(l.said) > mostPaid {
				clear(l.said)
			}
		}
		switch {
		case err == nil:
			pause = 0
		case ctx.Err() == nil:
			pause = min(max(2*pause, timing.FollowAgain), timing.MaxFollowAgain)
			if !byGateway(err) {
				l.Book.Observer.Observe(event.RedisFailed{Op: "follow"})
			}
			l.log.Warn("published codes could not be asked about; trying again", "in", pause.String(), "error", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timing.CancelTimeout)
	defer cancel()
	if leads, _ := l.lead(ctx); leads { // let another one follow at once
		l.Book.Redis.Del(ctx, l.Book.Keys.Follower(l.merchant))
	}
}

// byGateway reports whether an error is of a call to QFPay, and not of Redis.
func byGateway(err error) bool {
	var (
		refusal    *qfpay.Refusal
		unanswered *qfpay.Unanswered
		notSent    *qfpay.NotSent
		throttled  *qfpay.Throttled
	)
	return errors.As(err, &refusal) || errors.As(err, &unanswered) || errors.As(err, &notSent) || errors.As(err, &throttled)
}

// lead takes or renews the lease.
func (l *leader) lead(ctx context.Context) (bool, error) {
	return leadScript.Run(ctx, l.Book.Redis, []string{l.Book.Keys.Follower(l.merchant)}, l.token, timing.FollowLease.Milliseconds()).Bool()
}

// keepLeading renews the lease until stop is called. When another one leads, the context ends.
func (l *leader) keepLeading(ctx context.Context) (leading context.Context, stop func()) {
	leading, end := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for wait.Sleep(leading, timing.FollowLease/3) == nil {
			if leads, err := l.lead(leading); err == nil && !leads {
				end()
			}
		}
	})
	return leading, func() { end(); renewing.Wait() }
}

// mostApart bounds the work of one round for codes whose life is over: how many spans of time it reads of
// them, and about how many calls it makes for single ones. Those that live must not wait for it.
const mostApart = 10

// round asks about the codes that are due: among those that live, for paid ones; among those whose life has
// ended since the last look, for paid and dead ones; and among those that were not dead then, for ones that are
// still unpaid. Only what no window shows is asked about by itself.
func (l *leader) round(ctx context.Context, client *qfpay.Client) error {
	if err := l.refresh(ctx); err != nil {
		return err
	}
	for _, p := range l.again {
		if err := l.askAgain(ctx, client, p); err != nil {
			return err
		}
	}
	now := l.now()
	var live, ended, late []*followed
	for _, c := range l.codes {
		switch {
		case now.Before(NextLook(c.Code, c.looked)):
		case c.Over(c.looked):
			late = append(late, c)
		case c.Over(now):
			ended = append(ended, c)
		default:
			live = append(live, c)
		}
	}
	ended, late = newest(ended), newest(late)
	if err := l.ask(ctx, client, slices.Concat(live, ended), "0000"); err != nil {
		return err
	}
	if err := l.ask(ctx, client, l.unseen(ended, now), l.deadCode); err != nil {
		return err
	}
	if l.unpaid != "" {
		if err := l.ask(ctx, client, append(l.unseen(ended, now), late...), l.unpaid); err != nil {
			return err
		}
	}
	for _, codes := range [][]*followed{l.unseen(ended, now), l.unseen(late, now)} {
		if err := l.askByThemselves(ctx, client, codes); err != nil {
			return err
		}
	}
	return nil
}

// unseen are those of the codes that are open, and were not looked at since.
func (l *leader) unseen(codes []*followed, since time.Time) (left []*followed) {
	for _, c := range codes {
		if l.codes[c.ID()] == c && c.looked.Before(since) {
			left = append(left, c)
		}
	}
	return left
}

// overdue returns how many codes QFPay still shows unpaid long after their life, and logs some of them now and
// then: nothing proves that they cannot be paid, so they have no event.
func (l *leader) overdue() int {
	var ids []string
	now := l.now()
	for id, c := range l.codes {
		if c.Over(c.looked) && c.Overdue(now) {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 && now.Sub(l.complained) >= timing.Overdue {
		l.complained = now
		slices.Sort(ids)
		l.log.Warn("QFPay shows codes unpaid long after their life; they have no event", "count", len(ids), "ids", strings.Join(ids[:min(len(ids), 3)], " "))
	}
	return len(ids)
}

// refresh learns which codes are open, and reads the journals of those that are new.
func (l *leader) refresh(ctx context.Context) error {
	open, err := l.Book.Redis.ZRange(ctx, l.Book.Keys.Open(l.merchant), 0, -1).Result()
	if err != nil {
		return err
	}
	l.again = nil
	still := make(map[string]bool, len(open))
	var unread []string
	for _, id := range open {
		still[id] = true
		if l.codes[id] == nil {
			unread = append(unread, id)
		}
	}
	for id := range l.codes {
		if !still[id] {
			l.drop(id)
		}
	}
	for ids := range slices.Chunk(unread, 500) {
		pages, err := l.Book.open(ctx, ids...)
		if err != nil {
			return err
		}
		for i, p := range pages {
			if p.payment == "" { // its journal is gone, 30 days after
				l.log.Error("a published code is followed no more: its journal is gone or damaged", "id", ids[i])
				if err := l.Book.Redis.ZRem(ctx, l.Book.Keys.Open(l.merchant), ids[i]).Err(); err != nil {
					return err
				}
				continue
			}
			if p.payment != "open" {
				l.again = append(l.again, p)
				continue
			}
			l.codes[ids[i]] = &followed{Code: p.Code}
			number := strings.ToLower(p.IssuedAs)
			l.number[number] = append(l.number[number], ids[i])
		}
	}
	return nil
}

func (l *leader) drop(id string) {
	number := strings.ToLower(l.codes[id].IssuedAs)
	if l.number[number] = slices.DeleteFunc(l.number[number], func(one string) bool { return one == id }); len(l.number[number]) == 0 {
		delete(l.number, number)
	}
	delete(l.codes, id)
}

// ofRow returns the open code that a row is about, or nil. A gateway that keeps numbers in another case
// may mean any of several.
func (l *leader) ofRow(r qfpay.Record) *followed {
	ids := l.number[strings.ToLower(strings.TrimSpace(r.OutTradeNo))]
	for _, id := range ids {
		if c := l.codes[id]; strings.TrimSpace(r.OutTradeNo) == c.IssuedAs || r.Syssn != "" && r.Syssn == c.Syssn || len(ids) == 1 {
			return c
		}
	}
	return nil
}

// askByThemselves asks about codes by their numbers: each that is the only one in its call, or whose row
// came, has QFPay's own word. Those that are missing among others are asked about alone, when their life
// is over. What mostApart leaves is asked about in the next round.
func (l *leader) askByThemselves(ctx context.Context, client *qfpay.Client, codes []*followed) error {
	if len(codes) == 0 {
		return nil
	}
	slices.SortFunc(codes, func(a, b *followed) int { return a.SysDtm.Compare(b.SysDtm) })
	for calls := 0; len(codes) > 0 && calls < mostApart; calls++ {
		n := 1
		months := codes[0].months()
		for n < len(codes) && slices.Equal(codes[n].months(), months) && qfpay.Queries(numbersOf(codes[:n+1])) == 1 {
			n++
		}
		missing, err := l.askTogether(ctx, client, codes[:n], months)
		if err != nil {
			return err
		}
		if n > 1 {
			for _, c := range missing {
				if _, err := l.askTogether(ctx, client, []*followed{c}, months); err != nil {
					return err
				}
				calls++
			}
		}
		codes = codes[n:]
	}
	return nil
}

// askAgain asks whether a paid code was paid twice. Its second order may be stored in any month since.
func (l *leader) askAgain(ctx context.Context, client *qfpay.Client, p page) error {
	rows, err := client.Query(ctx, []string{p.IssuedAs}, qfpay.MonthsAround(p.SysDtm, l.now()))
	if err != nil {
		return err
	}
	if s := Read(p.Code, rows, l.now()); s.Event == tasks.Paid && p.payment == string(tasks.Paid) {
		if err := l.see(ctx, &followed{Code: p.Code}, s); err != nil {
			return err
		}
	}
	return l.Book.Redis.ZRem(ctx, l.Book.Keys.Open(l.merchant), p.ID()).Err()
}

func (c *followed) months() []qfpay.Month { return qfpay.MonthsAround(c.SysDtm, c.SysDtm) }

func numbersOf(codes []*followed) []string {
	all := make([]string, len(codes))
	for i, c := range codes {
		all[i] = c.IssuedAs
	}
	return all
}

// askTogether asks about the numbers of codes in one call for each month, and returns those without a row.
func (l *leader) askTogether(ctx context.Context, client *qfpay.Client, codes []*followed, months []qfpay.Month) (missing []*followed, err error) {
	rows, err := client.Query(ctx, numbersOf(codes), months)
	if err != nil {
		return nil, err
	}
	now := l.now()
	for _, c := range codes {
		var own []qfpay.Record
		for _, r := range rows {
			if r.HasNumber(c.IssuedAs) && (strings.TrimSpace(r.OutTradeNo) == c.IssuedAs || len(l.number[strings.ToLower(c.IssuedAs)]) < 2) {
				own = append(own, r)
			}
		}
		s := Read(c.Code, own, now)
		if s.NotFound && len(codes) > 1 && c.Over(now) {
			missing = append(missing, c)
			continue
		}
		since := now.Sub(c.looked)
		c.looked = now
		if c.Over(now) {
			l.unpaid = cmp.Or(s.Unpaid, l.unpaid)
		}
		if err := l.see(ctx, c, s); err != nil {
			return nil, err
		}
		if !s.NotFound || !c.Over(now) {
			c.absent = 0
			continue
		}
		if c.absent > 0 && since < timing.AbsentAgain {
			continue
		}
		if c.absent++; c.absent >= 2 {
			if err := l.publish(ctx, c, tasks.Lapsed, qfpay.Record{}); err != nil {
				return nil, err
			}
		}
	}
	return missing, nil
}

// see publishes what rows have shown of a code.
func (l *leader) see(ctx context.Context, c *followed, s Sight) error {
	if s.Mismatch && !l.said[c.ID()+":mismatch"] {
		l.said[c.ID()+":mismatch"] = true
		l.log.Error("a payment under the number of a published code has another amount or currency; a person must look", "id", c.ID())
	}
	if s.Event == "" {
		return nil
	}
	if s.Event != tasks.Paid && s.Row.RespCd != "" {
		l.deadCode = s.Row.RespCd
	}
	for _, e := range s.events() {
		if err := l.publish(ctx, c, e.event, e.row); err != nil {
			return err
		}
	}
	return nil
}

// publish publishes an event, and follows the code no more if it is a final one.
func (l *leader) publish(ctx context.Context, c *followed, e tasks.PaymentEvent, row qfpay.Record) error {
	if l.said[c.ID()+":"+string(e)] {
		return nil
	}
	if _, err := l.Book.publish(ctx, c.Code, e, row, tasks.ByEnquiry); err != nil {
		return err
	}
	l.said[c.ID()+":"+string(e)] = true
	if e.Final() && l.codes[c.ID()] != nil {
		l.drop(c.ID())
	}
	return nil
}
