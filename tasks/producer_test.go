package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// journalOf returns the journal of an order, without the fields that differ in every run.
func journalOf(t *testing.T, rdb redis.UniversalClient, id string) map[string]string {
	t.Helper()
	m, err := rdb.HGetAll(t.Context(), keys.Order(id)).Result()
	if err != nil {
		t.Fatal(err)
	}
	delete(m, "accepted_at")
	delete(m, "nonce")
	return m
}

// pending returns the pending tasks of a lane.
func pending(t *testing.T, rdb redis.UniversalClient, l Lane) []*asynq.TaskInfo {
	t.Helper()
	all, err := asynq.NewInspectorFromRedisClient(rdb).ListPendingTasks(keys.Queue(l), asynq.PageSize(10_000))
	if err != nil && !errors.Is(err, asynq.ErrQueueNotFound) {
		t.Fatal(err)
	}
	return all
}

func ids(all []*asynq.TaskInfo) (ids []string) {
	for _, info := range all {
		ids = append(ids, info.ID)
	}
	return ids
}

// now is Redis's clock in milliseconds.
func now(t *testing.T, rdb redis.UniversalClient) float64 {
	t.Helper()
	clock, err := rdb.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return float64(clock.UnixMilli())
}

func TestEnqueue_AnOrderIsInItsJournalInDueAndInItsQueue(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	before := now(t, rdb)
	got, err := NewProducer(rdb, keys).Enqueue(t.Context(), validOrder())
	if got.Status != Enqueued || err != nil {
		t.Fatal(got, err)
	}
	payload, _ := json.Marshal(validOrder())
	want := map[string]string{
		"state": "NEW", "fingerprint": validOrder().Fingerprint(), "order": string(payload), "lane": "bulk",
	}
	if diff := cmp.Diff(want, journalOf(t, rdb, "default:A1001")); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
	due, err := rdb.ZScore(t.Context(), keys.Due(), "default:A1001").Result()
	if err != nil || due < before+30_000 || due > now(t, rdb)+30_000 {
		t.Errorf("due %f, %v; want 30 s from now", due, err)
	}
	task := pending(t, rdb, Bulk)[0]
	if task.ID != "default:A1001" || task.Type != TypeCreate || string(task.Payload) != string(payload) ||
		task.MaxRetry < 1<<30 || task.Timeout != TaskTimeout {
		t.Errorf("task %+v", task)
	}
}

func TestEnqueue_DefaultsAreFilledIn(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	o := Order{Order: qfpay.Order{OutTradeNo: "A1", PayType: qfpay.FPS, TxAmt: 100, TxCurrCd: "HKD"}, Lane: Interactive}
	if _, err := NewProducer(rdb, keys).Enqueue(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	got, err := ParseOrder([]byte(journalOf(t, rdb, "default:A1")["order"]))
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(got.Deadline)
	if got.Merchant != "default" || got.TxDtm == "" || left > 2*time.Minute || left < time.Minute {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"default:A1"}, ids(pending(t, rdb, Interactive))); diff != "" {
		t.Error(diff)
	}
}

func TestEnqueue_TheSameOrderAgainIsADuplicateAndOtherContentAConflict(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	first := validOrder()
	later, dearer := first, first
	later.TxDtm, later.Deadline, later.Lane = "2026-03-01 13:00:00", first.Deadline.Add(time.Hour), Interactive
	dearer.TxAmt++
	if got, err := p.Enqueue(t.Context(), first); got.Status != Enqueued || err != nil {
		t.Fatal(got, err)
	}
	before := journalOf(t, rdb, first.ID())
	for _, state := range []string{"NEW", "SENT", "CLOSING", "DONE"} {
		before["state"] = state
		rdb.HSet(t.Context(), keys.Order(first.ID()), "state", state)
		want := AcceptResult{ID: first.ID(), Status: Duplicate, State: state}
		got, err := p.Enqueue(t.Context(), later)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s, same content: %v (-want +got):\n%s", state, err, diff)
		}
		_, err = p.Enqueue(t.Context(), dearer)
		if diff := cmp.Diff(error(&ConflictError{ID: first.ID(), State: state}), err); diff != "" {
			t.Errorf("%s, other content (-want +got):\n%s", state, diff)
		}
	}
	if diff := cmp.Diff(before, journalOf(t, rdb, first.ID())); diff != "" {
		t.Errorf("the journal was changed:\n%s", diff)
	}
	if n := len(pending(t, rdb, Bulk)) + len(pending(t, rdb, Interactive)); n != 1 {
		t.Errorf("%d tasks, want 1", n)
	}
	if text := (&ConflictError{ID: "default:A1", State: "SENT"}).Error(); !strings.Contains(text, "default:A1") || !strings.Contains(text, "new out_trade_no") {
		t.Error(text)
	}
}

func TestEnqueueAll_TheFateOfEachOrderIsToldInItsPlace(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	wrong, other := numbered("A2"), numbered("A1")
	wrong.TxAmt, other.TxAmt = 0, 7
	got, err := p.EnqueueAll(t.Context(), []Order{numbered("A1"), wrong, numbered("A1"), other, numbered("A3")})
	if err != nil {
		t.Fatal(err)
	}
	want := []AcceptResult{
		{ID: "default:A1", Status: Enqueued, State: "NEW"},
		{ID: "default:A2", Err: wrong.Validate()},
		{ID: "default:A1", Status: Duplicate, State: "NEW"},
		{ID: "default:A1", Err: &ConflictError{ID: "default:A1", State: "NEW"}},
		{ID: "default:A3", Status: Enqueued, State: "NEW"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// First come, first served.
	if diff := cmp.Diff([]string{"default:A1", "default:A3"}, ids(pending(t, rdb, Bulk))); diff != "" {
		t.Error(diff)
	}
}

func TestEnqueueAll_ManyOrdersAreAllEnqueuedOnce(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	orders := make([]Order, 2*chunk+1)
	for i := range orders {
		orders[i] = numbered(fmt.Sprint("A", i))
		orders[i].Lane = Lanes()[i%2]
	}
	p := NewProducer(rdb, keys)
	for _, want := range []AcceptStatus{Enqueued, Duplicate} {
		got, err := p.EnqueueAll(t.Context(), orders)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range got {
			if a.Status != want || a.Err != nil || a.ID != orders[i].ID() {
				t.Fatalf("%d: %+v", i, a)
			}
		}
		if n := len(pending(t, rdb, Bulk)) + len(pending(t, rdb, Interactive)); n != len(orders) {
			t.Errorf("%d tasks, want %d", n, len(orders))
		}
		if n := rdb.ZCard(t.Context(), keys.Due()).Val(); n != int64(len(orders)) {
			t.Errorf("%d in due, want %d", n, len(orders))
		}
	}
}

func TestEnqueueAll_AServerThatForgotItsScriptsIsGivenThemAgain(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	for i := range 3 {
		if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		a, b := numbered(fmt.Sprint("A", i)), numbered(fmt.Sprint("B", i))
		for _, r := range must(p.EnqueueAll(t.Context(), []Order{a, b, a})) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
		if n := len(pending(t, rdb, Bulk)); n != 2*(i+1) {
			t.Errorf("%d tasks, want %d", n, 2*(i+1))
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// cut is a connection to Redis that breaks, once it is armed, instead of reading an answer.
type cut struct {
	net.Conn
	armed *atomic.Bool
}

func (c cut) Read(p []byte) (int, error) {
	if c.armed.CompareAndSwap(true, false) {
		c.Conn.Read(p) // the server has done its work by now
		c.Conn.Close()
	}
	return c.Conn.Read(p)
}

func TestEnqueueAll_ALostAnswerDoesNotMakeAnOrderADuplicateOfItself(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var armed atomic.Bool
	rdb := redis.NewClient(&redis.Options{Dialer: func(context.Context, string, string) (net.Conn, error) {
		conn, err := net.Dial("unix", server.Socket)
		return cut{conn, &armed}, err
	}})
	defer rdb.Close()
	p := NewProducer(rdb, keys)
	must(p.EnqueueAll(t.Context(), []Order{numbered("A0")})) // connected, scripts known
	armed.Store(true)
	got := must(p.EnqueueAll(t.Context(), []Order{numbered("A1"), numbered("A2"), numbered("A1")}))
	if armed.Load() {
		t.Error("no answer was lost: this test tests nothing")
	}
	for i, want := range []AcceptStatus{Enqueued, Enqueued, Duplicate} {
		if got[i].Status != want {
			t.Errorf("%d: %+v, want %s", i, got[i], want)
		}
	}
	if diff := cmp.Diff([]string{"default:A0", "default:A1", "default:A2"}, ids(pending(t, rdb, Bulk))); diff != "" {
		t.Error(diff)
	}
}

// noWake lets every script of asynq fail.
type noWake struct{}

func (noWake) DialHook(next redis.DialHook) redis.DialHook { return next }

func (noWake) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if wakes(cmd) {
			cmd.SetErr(errors.New("killed"))
			return cmd.Err()
		}
		return next(ctx, cmd)
	}
}

func (noWake) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, slices.DeleteFunc(slices.Clone(cmds), wakes))
		for _, c := range slices.DeleteFunc(slices.Clone(cmds), func(c redis.Cmder) bool { return !wakes(c) }) {
			c.SetErr(errors.New("killed"))
		}
		return err
	}
}

func wakes(cmd redis.Cmder) bool {
	return (cmd.Name() == "evalsha" || cmd.Name() == "eval") && strings.Contains(fmt.Sprint(cmd.Args()), "asynq:{")
}

func TestEnqueue_AnOrderThatCouldNotBeWokenIsAcceptedAndInDue(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, sound := server.Client(t), server.Client(t)
	rdb.AddHook(noWake{})
	p := NewProducer(rdb, keys)
	if got, err := p.Enqueue(t.Context(), numbered("A1")); got.Status != Enqueued || err != nil {
		t.Error(got, err)
	}
	for _, a := range must(p.EnqueueAll(t.Context(), []Order{numbered("A2"), numbered("A3")})) {
		if a.Status != Enqueued || a.Err != nil {
			t.Errorf("%+v", a)
		}
	}
	if n := len(pending(t, sound, Bulk)); n != 0 {
		t.Errorf("%d tasks: this test tests nothing", n)
	}
	for _, id := range []string{"default:A1", "default:A2", "default:A3"} {
		if in := dueIn(t, sound, id); in > earlyLook {
			t.Errorf("%s is due in %s, want %s: no worker was woken for it", id, in, earlyLook)
		}
	}
}

// dueIn returns when an order is due, from now.
func dueIn(t *testing.T, rdb redis.UniversalClient, id string) time.Duration {
	t.Helper()
	score, err := rdb.ZScore(t.Context(), keys.Due(), id).Result()
	if err != nil {
		t.Fatal(err)
	}
	return time.Until(time.UnixMilli(int64(score)))
}

// A wake-up may fail after its worker was woken all the same: what the worker has made of the order
// by then stays.
func TestEnqueue_AFailedWakeUpPutsNoOrderOff(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	sooner := float64(time.Now().Add(time.Second).UnixMilli())
	rdb.ZAdd(t.Context(), keys.Due(), redis.Z{Score: sooner, Member: "default:A1"})
	NewProducer(rdb, keys).dueSoon(t.Context(), []pendingOrder{{id: "default:A1"}, {id: "default:SETTLED"}})
	if all := rdb.ZRangeWithScores(t.Context(), keys.Due(), 0, -1).Val(); len(all) != 1 || all[0].Score != sooner {
		t.Errorf("due: %v, want A1 at %f", all, sooner)
	}
}

// A long queue of bulk orders is not worked on twice; an interactive order does not wait for a
// lost task. A producer that repeats an order may have lost its wake-up.
func TestEnqueue_AnOrderIsLookedAtByItsLane(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	customer := numbered("A3")
	customer.Lane = Interactive
	must(p.Enqueue(t.Context(), numbered("A1")))
	must(p.EnqueueAll(t.Context(), []Order{numbered("A2"), customer}))
	for id, want := range map[string]time.Duration{"default:A1": bulkLook, "default:A2": bulkLook, "default:A3": earlyLook} {
		if in := dueIn(t, rdb, id); in > want || in < want-time.Second*2 {
			t.Errorf("%s is due in %s, want %s", id, in, want)
		}
	}
	rdb.HSet(t.Context(), keys.Order("default:A2"), "first_attempt_at", 1) // a worker has had it
	must(p.EnqueueAll(t.Context(), []Order{numbered("A1"), numbered("A2")}))
	for id, want := range map[string]time.Duration{"default:A1": earlyLook, "default:A2": bulkLook} {
		if in := dueIn(t, rdb, id); in > want || in < want-time.Minute {
			t.Errorf("repeated, %s is due in %s, want %s", id, in, want)
		}
	}
}

func TestEnqueueAll_AFailureOfRedisIsToldAndRepeatingTheCallDoublesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket, MaxRetries: -1})
	defer rdb.Close()
	p := NewProducer(rdb, keys)
	orders := make([]Order, chunk+2)
	for i := range orders {
		orders[i] = numbered(fmt.Sprint("A", i))
	}
	must(p.EnqueueAll(t.Context(), orders[:2]))
	server.Kill()
	got, err := p.EnqueueAll(t.Context(), orders)
	if err == nil {
		t.Error("no error although Redis is away")
	}
	for i, a := range got {
		if a.Err == nil || a.Status != "" || a.ID != orders[i].ID() {
			t.Fatalf("%d: %+v", i, a)
		}
	}
	if _, err := p.Enqueue(t.Context(), orders[0]); err == nil {
		t.Error("Enqueue: no error although Redis is away")
	}
	server.Boot(t)
	count := map[AcceptStatus]int{}
	for _, a := range must(p.EnqueueAll(t.Context(), orders)) {
		count[a.Status]++
	}
	if diff := cmp.Diff(map[AcceptStatus]int{Enqueued: chunk, Duplicate: 2}, count); diff != "" {
		t.Error(diff)
	}
	if n := len(pending(t, rdb, Bulk)); n != len(orders) {
		t.Errorf("%d tasks, want %d", n, len(orders))
	}
}

func TestEnqueueAll_AnEndedContextStopsIt(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := NewProducer(rdb, keys).EnqueueAll(ctx, []Order{numbered("A1")})
	if !errors.Is(err, context.Canceled) || !errors.Is(got[0].Err, context.Canceled) {
		t.Error(got, err)
	}
}

func TestEnqueueAll_AKeyOfAnotherTypeIsAnErrorOfItsOrderAlone(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.Set(t.Context(), keys.Order("default:A1"), "x", 0)
	got, err := NewProducer(rdb, keys).EnqueueAll(t.Context(), []Order{numbered("A1"), numbered("A2")})
	if err == nil || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "default:A1") || got[1].Status != Enqueued {
		t.Error(got, err)
	}
}

func TestKeys_PrefixesAreShards(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	eu := Keys{Prefix: "{eu}"}
	for _, k := range []Keys{keys, eu} {
		if got, err := NewProducer(rdb, k).Enqueue(t.Context(), validOrder()); got.Status != Enqueued || err != nil {
			t.Error(k, got, err)
		}
	}
	if eu.Queue(Bulk) != "eu:bulk" || eu.Results() != "{eu}:results" || eu.Requests() != "{eu}:requests" || eu.Rejected() != "{eu}:requests:rejected" {
		t.Error("names do not follow the prefix")
	}
}
