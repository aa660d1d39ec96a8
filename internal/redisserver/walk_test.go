package redisserver

import (
	"slices"
	"testing"
)

func TestWalk_HandsOnEverythingSomeAtATime(t *testing.T) {
	pages := map[uint64][]string{0: slices.Repeat([]string{"member", "score"}, walked), 7: nil, 8: {"member", "score"}}
	next := map[uint64]uint64{0: 7, 7: 8, 8: 0}
	var got []string
	err := Walk(func(cursor uint64) ([]string, uint64, error) {
		return pages[cursor], next[cursor], nil
	}, func(some []string) error {
		if len(some) > walked || len(some)%2 != 0 {
			t.Errorf("%d at once", len(some))
		}
		got = append(got, some...)
		return nil
	})
	if want := 2*walked + 2; err != nil || len(got) != want {
		t.Errorf("%d of %d, %v", len(got), want, err)
	}
}
