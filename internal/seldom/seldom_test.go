package seldom

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTeller_SaysOnceASecondAndCountsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		s := New(func(n int, attrs ...any) { said = append(said, fmt.Sprint(n, attrs)) })
		for i := range 100 {
			s.Note(i)
			time.Sleep(15 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		s.Note("later")
		time.Sleep(time.Minute)
		if got := strings.Join(said, " "); got != "1 [0] 66 [66] 33 [99] 1 [later]" {
			t.Error(got)
		}
	})
}
