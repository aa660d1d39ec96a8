package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// levers are what people do during a run, beside the attacks: they cancel orders, and pause a merchant or
// one of its pay types. What they do is drawn before the run begins.
type levers struct {
	chaos   *chaos
	moves   []move
	next    <-chan time.Time // when the next move is due; nil: never
	pulling sync.WaitGroup

	mu        sync.Mutex
	cancelled map[string]string // out_trade_no → door through which a worker or Redis has taken the cancellation
	pauses    []pauseSpan
	failed    error
}

// move is one thing to do, so long after the run began.
type move struct {
	at time.Duration
	do func(context.Context) error
}

// pauseSpan is a pause of a pay type, or of the whole merchant when that is empty: from begins after the command that
// paused had ended, and to is before the one that resumed began.
type pauseSpan struct {
	payType  string
	from, to time.Time
}

// onItsWay is how long after the beginning of a pause a create may still arrive: it had its intent before.
func (p plan) onItsWay() time.Duration {
	if p.frozen > 0 {
		return 2*lease + time.Second
	}
	return time.Second // QFPAY_TIMEOUT
}

// apiToken is the token of the workers' HTTP API.
const apiToken = "0b7f1d5e9c3a4826b1f0d2e4a6c8f013"

// drawLevers draws the moves of a run.
func (c *chaos) drawLevers() *levers {
	l := &levers{chaos: c, cancelled: map[string]string{}}
	luck := rand.New(rand.NewPCG(c.seed, 4))
	doors := []func(context.Context, string) error{l.byCommand, l.overHTTP, l.byStream}
	for n, o := range c.orders {
		if luck.Float64() >= c.cancels {
			continue
		}
		enqueued := time.Duration(n) * time.Second / time.Duration(c.rate)
		door := doors[luck.IntN(len(doors))]
		// Waiting orders are cancelled, those in flight, those in doubt, and published ones.
		l.moves = append(l.moves, move{enqueued + time.Duration(luck.Int64N(int64(3*time.Second))), func(ctx context.Context) error {
			return door(ctx, o.OutTradeNo)
		}})
	}
	length := time.Duration(c.plan.orders) * time.Second / time.Duration(c.rate)
	for n := range c.pauses {
		payType := string(c.orders[luck.IntN(len(c.orders))].PayType)
		if luck.IntN(3) == 0 {
			payType = ""
		}
		l.moves = append(l.moves, move{length * time.Duration(n+1) / time.Duration(c.pauses+1), func(ctx context.Context) error {
			return l.pause(ctx, payType)
		}})
	}
	slices.SortStableFunc(l.moves, func(a, b move) int { return cmp.Compare(a.at, b.at) })
	l.wait()
	return l
}

// wait sets when the next move is due.
func (l *levers) wait() {
	l.next = nil
	if len(l.moves) > 0 {
		l.next = time.After(time.Until(l.chaos.began.Add(l.moves[0].at)))
	}
}

// pull makes the move that is due, beside the run.
func (l *levers) pull(ctx context.Context) {
	one := l.moves[0]
	l.moves = l.moves[1:]
	l.wait()
	l.pulling.Go(func() {
		if err := one.do(ctx); err != nil && ctx.Err() == nil {
			l.mu.Lock()
			l.failed = errors.Join(l.failed, err)
			l.mu.Unlock()
		}
	})
}

// released waits until nothing is paused and every request to cancel was made and taken, and reports what went wrong.
func (l *levers) released() {
	c := l.chaos
	c.t.Helper()
	l.pulling.Wait()
	if l.failed != nil {
		c.t.Error(l.failed)
	}
	eventually(c.t, "the workers have taken every request to cancel", time.Minute, func() bool {
		return c.rdb.XLen(c.t.Context(), keys.Cancel()).Val() == 0
	})
	if n := c.rdb.XLen(c.t.Context(), keys.Rejected()).Val(); n > int64(len(l.cancelled)) {
		c.t.Errorf("%d requests were rejected", n)
	}
}

func (l *levers) note(outTradeNo, door string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancelled[outTradeNo] = door
}

// accepted waits until an order is there: what is not cannot be cancelled.
func (l *levers) accepted(ctx context.Context, outTradeNo string) error {
	for ctx.Err() == nil {
		if l.chaos.rdb.Exists(ctx, keys.Order(tasks.DefaultMerchant+":"+outTradeNo)).Val() > 0 {
			return nil
		}
		time.Sleep(20 * time.Millisecond) // the pause of a poll
	}
	return ctx.Err()
}

// byCommand cancels with order cancel, which does not wait.
func (l *levers) byCommand(ctx context.Context, outTradeNo string) error {
	if err := l.accepted(ctx, outTradeNo); err != nil {
		return err
	}
	text, err := l.run(ctx, "order", "cancel", outTradeNo, "--wait=0s")
	refused, is := errors.AsType[*exec.ExitError](err)
	if err != nil && !(is && refused.ExitCode() == 2) { // 2: it has ended otherwise, or cannot be closed
		return fmt.Errorf("order cancel %s: %w: %s", outTradeNo, err, text)
	}
	l.note(outTradeNo, "command")
	return nil
}

// byStream puts a request on the cancel stream.
func (l *levers) byStream(ctx context.Context, outTradeNo string) error {
	if err := l.accepted(ctx, outTradeNo); err != nil {
		return err
	}
	l.note(outTradeNo, "stream")
	return l.chaos.rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Cancel(), Values: []string{"out_trade_no", outTradeNo}}).Err()
}

// overHTTP asks one worker after another, since the attacks kill those that it asks.
func (l *levers) overHTTP(ctx context.Context, outTradeNo string) error {
	if err := l.accepted(ctx, outTradeNo); err != nil {
		return err
	}
	for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) { // the pause of a poll
		for _, p := range l.chaos.fleet.running() {
			_, log, _ := strings.Cut(p.err.text(), "taking orders over HTTP")
			_, addr, listens := cut(log, `"addr":"`, `"`)
			if !listens {
				continue
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodDelete, "http://"+addr+"/v1/orders/"+tasks.DefaultMerchant+"/"+outTradeNo, nil)
			if err != nil {
				return err
			}
			r.Header.Set("Authorization", "Bearer "+apiToken)
			answer, err := web.Do(r)
			if err != nil {
				continue // it was killed, or has not begun
			}
			answer.Body.Close()
			switch answer.StatusCode {
			case http.StatusOK, http.StatusAccepted, http.StatusConflict:
				l.note(outTradeNo, "HTTP")
				return nil
			case http.StatusServiceUnavailable: // it shuts down
			default:
				return fmt.Errorf("DELETE %s: %s", outTradeNo, answer.Status)
			}
		}
	}
	return ctx.Err()
}

// pause pauses a pay type, or the merchant, for some seconds.
func (l *levers) pause(ctx context.Context, payType string) error {
	var what []string
	if payType != "" {
		what = []string{"--pay-type=" + payType}
	}
	if text, err := l.run(ctx, append([]string{"merchant", "pause", tasks.DefaultMerchant, "--force"}, what...)...); err != nil {
		return fmt.Errorf("merchant pause: %w: %s", err, text)
	}
	span := pauseSpan{payType: payType, from: time.Now()}
	select {
	case <-time.After(l.chaos.onItsWay() + 1500*time.Millisecond):
	case <-ctx.Done():
	}
	span.to = time.Now()
	l.mu.Lock()
	l.pauses = append(l.pauses, span)
	l.mu.Unlock()
	if text, err := l.run(context.WithoutCancel(ctx), append([]string{"merchant", "resume", tasks.DefaultMerchant}, what...)...); err != nil {
		return fmt.Errorf("merchant resume: %w: %s", err, text)
	}
	return nil
}

// run runs a command of qfpay-worker, and returns what it printed.
func (l *levers) run(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(bin, "qfpay-worker"), args...)
	command.Env = []string{"REDIS_URL=" + l.chaos.server.URL}
	text, err := command.CombinedOutput()
	return string(text), err
}

// apiSettings let every worker of a run take requests over HTTP.
func (c *chaos) apiSettings() []string {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(apiToken+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return []string{"WORKER_API_ADDR=127.0.0.1:0", "WORKER_API_TOKEN_FILE=" + file}
}

// running returns the processes of the fleet that run now. It may be called from any goroutine.
func (f *fleet) running() []*process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.slots), func(p *process) bool { return p == nil })
}

// closed waits until the workers have closed what was published and then cancelled, as far as that is over soon: the
// gateway has become well, and the pauses between two closes have passed.
func (c *chaos) closed() {
	c.t.Helper()
	c.gateway.post(c.t, "faults", nil)
	passed := time.Now().Add(-time.Second)
	eventually(c.t, "published orders that were cancelled are closed", time.Minute, func() bool {
		waiting := c.rdb.ZRange(c.t.Context(), keys.Closing(), 0, -1).Val()
		if time.Since(passed) >= 2*time.Second {
			for _, id := range waiting {
				c.rdb.ZAddXX(c.t.Context(), keys.Closing(), redis.Z{Member: id, Score: 1})
			}
			passed = time.Now()
		}
		return len(waiting) == 0
	})
}

// summary counts the cancellations by door, and what became of published codes.
func (l *levers) summary() string {
	c, doors, closed := l.chaos, map[string]int{}, map[string]int{}
	for _, door := range l.cancelled {
		doors[door]++
	}
	for number := range l.cancelled {
		if word := c.rdb.HGet(c.t.Context(), keys.Order(tasks.DefaultMerchant+":"+number), "closed").Val(); word != "" {
			closed[word]++
		}
	}
	return fmt.Sprintf("%d cancelled, by %v; published codes: %v", len(l.cancelled), doors, closed)
}

// moved returns the orders that were cancelled so far.
func (l *levers) moved() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.cancelled))
}

// unended returns the orders that were cancelled after something was sent, stand unpaid at QFPay for all that the workers
// know, and have no way to be closed: each waits in due until its code has run out, which is longer than any run.
func (c *chaos) unended() map[string]bool {
	c.t.Helper()
	payTypes := map[string]qfpay.PayType{}
	for _, o := range c.orders {
		payTypes[o.OutTradeNo] = o.PayType
	}
	found := map[string]bool{}
	for _, number := range c.levers.moved() {
		id := tasks.DefaultMerchant + ":" + number
		h := c.rdb.HMGet(c.t.Context(), keys.Order(id), "state", "cancel_asked_at", "row", "deferred_for").Val()
		if payTypes[number].Closable() || len(h) < 4 || h[0] != "SENT" || h[1] == nil || h[2] == nil || h[3] != "doubt" {
			continue
		}
		if c.rdb.ZScore(c.t.Context(), keys.Due(), id).Err() == nil {
			found[number] = true
		}
	}
	return found
}
