package worker

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// clumsy is a transport with a bug: it panics with all that it knows, once.
type clumsy struct {
	http.RoundTripper
	knows    any
	panicked atomic.Bool
}

// RoundTrip implements [http.RoundTripper].
func (c *clumsy) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.panicked.CompareAndSwap(false, true) {
		panic(fmt.Sprintf("%v %+v %#v", c.knows, c.knows, c.knows))
	}
	return c.RoundTripper.RoundTrip(r)
}

// A panic ends one attempt and nothing else: the order comes back and has its result.
// asynq writes what was panicked with into its log and into Redis, so the keys must
// not be in that either, even when it holds them.
func TestHandler_LosesOneAttemptToAPanicAndShowsNoKey(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, redistest.Start(t, "--appendonly", "yes"))
	bug := &clumsy{RoundTripper: r.gateway.Transport(), knows: r.config.Merchants}
	r.config.HTTP = &http.Client{Transport: bug}
	r.times = quickTimes()
	r.start()
	r.enqueue(1, nil)
	results := r.results(1)
	r.agree(results)
	if got := results["A0000"]; got.Outcome != string(tasks.Created) || got.Attempts == "1" {
		t.Errorf("after a panic: %+v", got)
	}
	if !bug.panicked.Load() || !strings.Contains(r.log.String(), "panic") {
		t.Error("nothing panicked, or nobody was told: this proves nothing")
	}
	ever := r.server.Written(t)
	if !strings.Contains(ever, "panic") {
		t.Error("asynq did not write the panic into Redis: this proves less than it should")
	}
	for where, text := range map[string]string{"the log": r.log.String(), "Redis": ever} {
		if strings.Contains(text, string(simulator.SampleKey)) {
			t.Errorf("a client key is in %s", where)
		}
	}
}
