package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Question is one that QFPay's documents leave open.
type Question string

// The questions.
const (
	OnSHA256     Question = "SHA256 on a create"
	OnMD5        Question = "MD5 on a create"
	OnRepeat     Question = "repeated out_trade_no"
	OnClose      Question = "close, code not scanned"
	OnReversal   Question = "reversal, code not scanned"
	OnRow        Question = "query of an unpaid order"
	OnLag        Question = "query shows a new order"
	OnSpace      Question = "goods_name with a space"
	OnUnderscore Question = "goods_name with _"
	OnHyphen     Question = "goods_name with -"
	OnLong       Question = "out_trade_no of 64 characters"
	OnURL        Question = "notify_url in a create"
	OnURLUsed    Question = "notify_url is called"
	OnSignature  Question = "signature of answers"
)

// Answer is what was found, in a word.
type Answer string

// The answers.
const (
	NotAnswered      Answer = "not answered"
	IsTaken          Answer = "taken"
	IsRefused        Answer = "refused"
	IsChanged        Answer = "taken, changed"
	SameOrder        Answer = "same order, same QR code"
	SameOrderNewCode Answer = "same order, new QR code"
	TwoOrders        Answer = "two orders"
	Works            Answer = "works"
	WorksLater       Answer = "works later"
	RefusedYoung     Answer = "refused at first"
	HasNoEffect      Answer = "no effect"
	IsShown          Answer = "shown"
	HasCode          Answer = "shown, with QR code"
	AtOnce           Answer = "at once"
	Later            Answer = "later"
	NotInTime        Answer = "not in time"
	IsRight          Answer = "right"
	IsAbsent         Answer = "none"
	IsWrong          Answer = "wrong"
	IsMixed          Answer = "mixed"
)

// Finding is the answer to one question.
type Finding struct {
	PayType  qfpay.PayType // empty: of the account
	Question Question
	Answer   Answer
	Evidence string // what was seen; it may hold text from outside
	Again    time.Time
	Until    time.Time // a run between Again and Until can say more; zero: it cannot

	Between [2]time.Duration // of OnLag: not yet, and then shown
	Schemes []qfpay.Scheme   // of OnSignature
}

// Known reports whether the question has an answer.
func (f Finding) Known() bool { return f.Answer != NotAnswered }

// Findings returns what is known: for each pay type every question, and then those of the account.
func Findings(log []Observation, types []qfpay.PayType) (all []Finding) {
	log = withoutWrongKeys(append(slices.Clip(log), Observation{Event: Begun})) // of all runs, the last one too
	for _, p := range types {
		w := readWallet(log, p)
		for _, f := range w.findings() {
			f.PayType = p
			all = append(all, f)
		}
	}
	return append(all, signatures(log), urlUsed())
}

func (w *wallet) findings() []Finding {
	return []Finding{
		w.hash(OnSHA256, qfpay.SHA256), w.hash(OnMD5, qfpay.MD5),
		w.repeat(), w.closing(OnClose, Close), w.closing(OnReversal, Reversal),
		w.row(), w.lag(),
		w.single(OnSpace, Space), w.single(OnUnderscore, Underscore), w.single(OnHyphen, Hyphen),
		w.single(OnLong, Long), w.single(OnURL, WithURL),
	}
}

// unanswered returns a finding without an answer, with the latest of these as its evidence.
func unanswered(q Question, all []Observation) Finding {
	f := Finding{Question: q, Answer: NotAnswered, Evidence: "not asked"}
	if n := len(all); n > 0 {
		f.Evidence = "last: " + string(all[n-1].Verdict) + ": " + all[n-1].said()
	}
	return f
}

// hash: a signature that is refused while the other one is taken.
func (w *wallet) hash(q Question, sign qfpay.SignType) Finding {
	var all, refused []Observation
	other := false
	for _, o := range w.orders {
		for _, c := range o.log {
			switch {
			case c.Event != Create:
			case c.Sign != sign:
				other = other || c.Verdict == Done
			case c.Verdict == Done && o.shown():
				return Finding{Question: q, Answer: IsTaken, Evidence: fmt.Sprintf("%s in %s", c.RespCd, round(c.Took))}
			default:
				all = append(all, c)
				if c.RespCd.RefusesSignature() {
					refused = append(refused, c)
				}
			}
		}
	}
	if c, twice := alike(refused, aboutRequest); twice && other {
		return Finding{Question: q, Answer: IsRefused, Evidence: "twice " + c.said()}
	}
	f := unanswered(q, all)
	if len(refused) > 0 && !other {
		f.Evidence = "both hashes refused; are key, app_code, mchid and address of one account? " + refused[0].said()
	}
	return f
}

func (w *wallet) repeat() Finding {
	r := w.repeated()
	if !r.known() {
		var last []Observation
		if r.last.Event != "" {
			last = []Observation{r.last}
		}
		return unanswered(OnRepeat, last)
	}
	return Finding{Question: OnRepeat, Answer: r.answer, Evidence: fmt.Sprintf("%s; the query shows %d under the number", r.call.said(), r.rows)}
}

// closing says whether and when a way closes an order that nobody has scanned.
func (w *wallet) closing(q Question, e Event) Finding {
	facts := w.closed(e)
	young, atFirst := facts.refusal(true)
	old, later := facts.refusal(false)
	f := Finding{Question: q}
	switch {
	case len(facts.works) > 0:
		by := slices.MinFunc(facts.works, func(a, b closedAt) int { return int(a.age - b.age) })
		f.Answer = Works
		f.Evidence = fmt.Sprintf("at %s: %s; the query shows it dead", round(by.age), by.call.said())
		if atFirst && by.age >= youngAge {
			f.Answer = WorksLater
			f.Evidence = fmt.Sprintf("refused at %s: %s; worked at %s", round(young.age), young.call.said(), round(by.age))
		}
	case later:
		f.Answer = IsRefused
		f.Evidence = fmt.Sprintf("at %s: %s", round(old.age), old.call.said())
		if atFirst {
			f.Evidence = fmt.Sprintf("at %s and ", round(young.age)) + f.Evidence
		}
	case atFirst:
		f.Answer = RefusedYoung
		f.Evidence = fmt.Sprintf("repeatedly, by %s: %s", round(young.age), young.call.said())
		f.Again, f.Until = w.window()
	case len(facts.idle) > 1:
		idle := facts.idle[0]
		f.Answer = HasNoEffect
		f.Evidence = fmt.Sprintf("twice, at %s: %s; the query still shows it %s", round(idle.age), idle.call.said(), idle.of.standing())
	default:
		var calls []Observation
		for _, o := range w.orders {
			for _, c := range o.log {
				if c.Event == e {
					calls = append(calls, c)
				}
			}
		}
		return unanswered(q, calls)
	}
	return f
}

// window returns from when until when a run can try a way on an order that is no longer young. It
// begins at once, with a new order, if none stands.
func (w *wallet) window() (from, until time.Time) {
	for _, o := range slices.Backward(w.orders) {
		if o.created() && w.mayStand(o) && len(o.syssns()) == 1 {
			return o.sent.Add(youngAge + youngMargin), o.expires().Add(-time.Minute)
		}
	}
	return time.Time{}, time.Time{}
}

// row says what a query shows of an unpaid order.
func (w *wallet) row() Finding {
	var asked []Observation
	for _, o := range w.orders {
		for _, q := range o.log {
			if q.Event != Query {
				continue
			}
			asked = append(asked, q)
			for _, r := range q.Rows {
				if r.Standing != qfpay.Unpaid.String() {
					continue
				}
				if r.HasCode {
					return Finding{Question: OnRow, Answer: HasCode, Evidence: string(r.RespCd) + ", and qrcode is in the row"}
				}
				return Finding{Question: OnRow, Answer: IsShown, Evidence: string(r.RespCd) + ", without a qrcode"}
			}
		}
	}
	return unanswered(OnRow, asked)
}

// lag says how soon a query shows a new order: of all orders the longest time.
func (w *wallet) lag() Finding {
	var missed, shown, never time.Duration // never: of orders that were not shown yet
	found := false
	var asked []Observation
	for _, o := range w.orders {
		if !o.created() {
			continue
		}
		asked = append(asked, o.queries...)
		m, s := lag(o)
		switch {
		case s < 0:
			never = max(never, m)
		case !found || m > missed || m == missed && s < shown:
			found, missed, shown = true, m, s
		}
	}
	f := Finding{Question: OnLag, Between: [2]time.Duration{missed, shown}}
	switch {
	case never > shown:
		f.Answer, f.Between = NotInTime, [2]time.Duration{never, -1}
		f.Evidence = fmt.Sprintf("not yet after %s", round(never))
	case !found:
		return unanswered(OnLag, asked)
	case missed == 0:
		f.Answer, f.Evidence = AtOnce, fmt.Sprintf("the first query, %s after the create", round(shown))
	default:
		f.Answer, f.Evidence = Later, fmt.Sprintf("not after %s, but after %s", round(missed), round(shown))
	}
	return f
}

// single says whether one deviation from a plain create is taken.
func (w *wallet) single(q Question, t Trial) Finding {
	var all []Observation
	for _, o := range w.orders {
		if !o.trial.has(t) {
			continue
		}
		if o.created() && o.shown() {
			return o.taken(q, t)
		}
		if o.trial == t && o.first().Event != "" {
			all = append(all, o.first())
		}
	}
	if c, twice := alike(all, aboutRequest); twice {
		return Finding{Question: q, Answer: IsRefused, Evidence: "twice " + c.said()}
	}
	if len(all) == 0 {
		all = w.creates(Together, "")
	}
	return unanswered(q, all)
}

// taken says what a query shows of an order with a deviation.
func (o *order) taken(q Question, t Trial) Finding {
	f := Finding{Question: q, Answer: IsTaken, Evidence: string(o.first().RespCd) + "; the query finds it"}
	if t.goodsName() == "" {
		return f
	}
	i := slices.IndexFunc(o.queries, func(q Observation) bool { return len(q.Rows) > 0 })
	switch name := o.queries[i].Rows[0].GoodsName; name {
	case o.trial.goodsName():
		f.Evidence += ", with the name unchanged"
	case "":
		f.Evidence += ", without a name"
	default:
		f.Answer, f.Evidence = IsChanged, f.Evidence+fmt.Sprintf(", with the name %q", name)
	}
	return f
}

// signatures says how answers are signed. QFPay need not sign every kind of answer.
func signatures(log []Observation) Finding {
	f := Finding{Question: OnSignature, Answer: NotAnswered, Evidence: "no answer that counts"}
	count := map[qfpay.Signature]int{}
	byKind := map[string][]string{}
	for _, o := range log {
		if o.Signature == "" || o.Verdict != Done && o.Verdict != Refused {
			continue
		}
		count[o.Signature]++
		if o.Scheme != "" && !slices.Contains(f.Schemes, o.Scheme) {
			f.Schemes = append(f.Schemes, o.Scheme)
		}
		how := string(o.Signature)
		switch {
		case o.Scheme != "":
			how = string(o.Scheme)
		case o.Signature == qfpay.SignatureUncovered:
			how = "right, but not over all that decides"
		}
		kind := kindOf(o)
		if !slices.Contains(byKind[kind], how) {
			byKind[kind] = append(byKind[kind], how)
		}
	}
	switch right, absent := count[qfpay.SignatureRight], count[qfpay.SignatureAbsent]; {
	case len(count) == 0:
		return f
	case len(count) > 1:
		f.Answer = IsMixed
	case right > 0:
		f.Answer = IsRight
	case absent > 0:
		f.Answer = IsAbsent
	default:
		f.Answer = IsWrong
	}
	var kinds []string
	for _, kind := range []string{"creates", "queries", "closes", "refusals"} {
		if how := byKind[kind]; len(how) > 0 {
			kinds = append(kinds, kind+": "+strings.Join(how, " and "))
		}
	}
	f.Evidence = strings.Join(kinds, "; ")
	return f
}

// kindOf returns the kind of an answer.
func kindOf(o Observation) string {
	switch {
	case o.Verdict == Refused:
		return "refusals"
	case o.Event == Query:
		return "queries"
	case o.Event == Create:
		return "creates"
	}
	return "closes"
}

// urlUsed: QFPay notifies of paid orders only, and none of the probe's is paid.
func urlUsed() Finding {
	return Finding{Question: OnURLUsed, Answer: NotAnswered, Evidence: "QFPay notifies of paid orders only; pay one order with a notify_url to see it"}
}

// round shortens a duration for people.
func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
