package qfpay

import "time"

// Month is a calendar month in UTC+8. QFPay stores orders by month, and a query covers only
// one month.
type Month struct {
	Year  int
	Month time.Month
}

// monthMargin is the greatest difference between QFPay's clock and ours.
const monthMargin = 15 * time.Minute

// MonthsAround returns the months in which QFPay can have stored an order that was sent
// between from and to, in order: those that overlap [from - 15 min, to + 15 min].
func MonthsAround(from, to time.Time) []Month {
	if to.Before(from) {
		from, to = to, from
	}
	first, last := monthOf(from.Add(-monthMargin)), monthOf(to.Add(monthMargin))
	months := []Month{first}
	for m := first; m != last; {
		m = monthOf(m.start().AddDate(0, 1, 0))
		months = append(months, m)
	}
	return months
}

func monthOf(t time.Time) Month {
	t = t.In(Zone)
	return Month{t.Year(), t.Month()}
}

func (m Month) start() time.Time { return time.Date(m.Year, m.Month, 1, 0, 0, 0, 0, Zone) }

// window returns start_time and end_time of a query for the whole month. QFPay refuses or
// cuts longer ones, and without them it searches only the current month.
func (m Month) window() (start, end string) {
	from := m.start()
	return FormatDateTime(from), FormatDateTime(from.AddDate(0, 1, 0).Add(-time.Second))
}
