package qfpay

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMonth_TheMonthsAroundASpanHaveAMargin(t *testing.T) {
	at := func(s string) time.Time {
		when, err := ParseDateTime(s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	feb, mar, apr := Month{2026, time.February}, Month{2026, time.March}, Month{2026, time.April}
	for _, row := range []struct {
		from, to string
		want     []Month
	}{
		{"2026-03-10 00:00:00", "2026-03-10 00:00:10", []Month{mar}},
		{"2026-03-01 00:14:59", "2026-03-01 00:15:00", []Month{feb, mar}}, // within the margin
		{"2026-03-01 00:15:00", "2026-03-01 00:15:00", []Month{mar}},      // just outside
		{"2026-02-28 23:44:59", "2026-02-28 23:44:59", []Month{feb}},
		{"2026-02-28 23:45:00", "2026-02-28 23:45:00", []Month{feb, mar}},
		{"2026-02-10 00:00:00", "2026-04-10 00:00:00", []Month{feb, mar, apr}},
		{"2026-04-10 00:00:00", "2026-02-10 00:00:00", []Month{feb, mar, apr}}, // the wrong way round
		{"2025-12-31 23:59:00", "2025-12-31 23:59:00", []Month{{2025, time.December}, {2026, time.January}}},
	} {
		if diff := cmp.Diff(row.want, MonthsAround(at(row.from).UTC(), at(row.to).UTC())); diff != "" {
			t.Errorf("%s to %s: %s", row.from, row.to, diff)
		}
	}
}

func TestMonth_TheWindowIsOneWholeMonth(t *testing.T) {
	for m, want := range map[Month][2]string{
		{2026, time.February}: {"2026-02-01 00:00:00", "2026-02-28 23:59:59"},
		{2028, time.February}: {"2028-02-01 00:00:00", "2028-02-29 23:59:59"},
		{2025, time.December}: {"2025-12-01 00:00:00", "2025-12-31 23:59:59"},
	} {
		start, end := m.window()
		if [2]string{start, end} != want {
			t.Errorf("%s to %s, want %v", start, end, want)
		}
	}
}
