package worker

import (
	"testing"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

func TestReissue_AddsASuffixToTheOrdersOwnNumber(t *testing.T) {
	t.Parallel()
	for reissues, want := range []string{"A1", "A1_2", "A1_3"} {
		if got := journal.IssuedAs("A1", reissues); got != want {
			t.Errorf("number %d is %q, want %q", reissues, got, want)
		}
	}
}
