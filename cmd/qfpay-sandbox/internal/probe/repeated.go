package probe

import (
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// repeated is what is known of creates with a number that is used.
type repeated struct {
	answer Answer      // empty: not known
	call   Observation // the repeated create that shows it
	rows   int         // orders under the number
	last   Observation // the latest one that does not show it
}

func (r repeated) known() bool { return r.answer != "" }

// The codes that say that a number is used, or how the order under it stands.
var usedCodes = []qfpay.RespCd{"1102", "1142", "1181", "1260", "1261", "1262", "1263", "1264", "1266", "1267", "2011"}

func saysUsed(c Observation) bool {
	return slices.Contains(usedCodes, c.RespCd) || qfpay.Hint{Text: c.Words}.SaysUsed()
}

// repeated reads what repeated creates have brought. The query says how many orders there are under
// the number, and only then the answer counts.
func (w *wallet) repeated() (found repeated) {
	for _, o := range w.orders {
		repeats := w.repeats(o)
		if !o.created() || len(repeats) == 0 {
			continue
		}
		rows := w.ordersUnder(o, repeats[len(repeats)-1].end().Add(w.settling()))
		if rows > 1 {
			return repeated{answer: TwoOrders, call: repeats[0], rows: rows}
		}
		found.last = repeats[len(repeats)-1]
		if rows < 1 || found.known() {
			continue
		}
		for _, c := range repeats {
			answer := o.answerTo(c)
			if answer != "" {
				found = repeated{answer: answer, call: c, rows: rows}
				break
			}
		}
		if refusal, twice := alike(repeats, aboutRequest); twice && !found.known() {
			found = repeated{answer: IsRefused, call: refusal, rows: rows}
		}
	}
	return found
}

// answerTo returns what one repeated create shows by itself.
func (o *order) answerTo(c Observation) Answer {
	first := o.first()
	switch {
	case c.Verdict == Refused && saysUsed(c):
		return IsRefused
	case c.Verdict != Done || c.Syssn != first.Syssn || c.Syssn == "":
		return ""
	case c.Code == first.Code:
		return SameOrder
	}
	return SameOrderNewCode
}

// decided reports whether the answers to repeated creates are enough, whatever a query shows.
func (o *order) decided(repeats []Observation) bool {
	_, twice := alike(repeats, aboutRequest)
	return twice || slices.ContainsFunc(repeats, func(c Observation) bool { return c.Verdict == Done || o.answerTo(c) != "" })
}

// ordersUnder counts the orders that queries have shown under the number. It is 0 if none was
// answered from a time on.
func (w *wallet) ordersUnder(o *order, from time.Time) int {
	var syssns []string
	asked := false
	for _, q := range o.queries {
		for _, r := range q.Rows {
			if !slices.Contains(syssns, r.Syssn) {
				syssns = append(syssns, r.Syssn)
			}
		}
		asked = asked || !q.At.Before(from) && len(q.Rows) > 0
	}
	if !asked && len(syssns) < 2 {
		return 0
	}
	return len(syssns)
}
