package streams

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisbound"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	forgetScript = redisscript.Load(luaFiles, "forget")
	readScript   = redisscript.Load(luaFiles, "read")
)

// intakeGroup is the consumer group of the workers on the request stream.
const intakeGroup = "workers"

const (
	// maxEntryBytes is the size of the longest entry that is read: an order, the names of its fields and
	// a traceparent. Of a longer one, only the first keptBytes are, for its dead letter.
	maxEntryBytes = tasks.MaxOrderBytes + 4<<10
	// batchBytes is how many bytes are read at once; some thousands of orders.
	batchBytes = 1 << 20
	// maxDeliveries is how many workers are given an entry and end without having answered for it, before
	// it is refused: it may be what ends them.
	maxDeliveries = 5
)

// requestEntry is one entry of the request stream.
type requestEntry struct {
	id         string
	fields     []string // names and values by turns; nil: it was deleted before it was read
	size       int      // bytes; above maxEntryBytes, fields has only the beginning
	deliveries int      // of an entry that was taken over
}

// refused returns why an entry is refused before anything of it is read, or nil.
func (e requestEntry) refused() error {
	switch {
	case e.size > maxEntryBytes:
		return fmt.Errorf("%w; this entry has %d", tasks.ErrOrderTooLong, e.size)
	case e.deliveries > maxDeliveries:
		return fmt.Errorf("%d workers in turn were given this entry and ended before they had accepted it", e.deliveries-1)
	}
	return nil
}

// requests is the request stream as one consumer of the group sees it.
type requests struct {
	rdb      redis.UniversalClient
	reading  redis.UniversalClient // closed when the worker stops, so that a read does not delay that
	stream   string
	consumer string
}

// open makes the group, at the beginning of the stream, if it is missing.
func (r requests) open(ctx context.Context) error {
	err := r.reading.XGroupCreateMkStream(ctx, r.stream, intakeGroup, "0").Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return fmt.Errorf("create group %s of %s: %w", intakeGroup, r.stream, err)
	}
	return nil
}

// left returns pending entries of this consumer. It reads them one by one, and not by read.lua:
// one of them may be so long that Redis has not answered in time.
func (r requests) left(ctx context.Context, count int) (found []requestEntry, err error) {
	pending, err := r.reading.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: r.stream, Group: intakeGroup,
		Consumer: r.consumer, Start: "-", End: "+", Count: int64(count)}).Result()
	for i, bytes := 0, 0; err == nil && i < len(pending) && bytes < batchBytes; i++ {
		var e requestEntry
		e, err = r.entry(ctx, pending[i].ID)
		found, bytes = append(found, e), bytes+e.size
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.stream, err)
	}
	return found, nil
}

// entry reads one entry, or the beginning of one that is too long.
func (r requests) entry(ctx context.Context, id string) (requestEntry, error) {
	cmd := redis.NewCmd(ctx, "xrange", r.stream, id, id)
	err := r.reading.Process(ctx, cmd)
	if long, is := redisbound.Exceeded(err); is {
		return requestEntry{id: id, size: int(long.Bytes), fields: []string{"order", long.Beginning}}, nil
	}
	if err != nil {
		return requestEntry{}, err
	}
	found, err := entryList(cmd.Val())
	if err != nil || len(found) != 1 { // it was deleted
		return requestEntry{id: id}, err
	}
	return found[0], nil
}

// fresh returns entries that the group has given to no consumer yet.
func (r requests) fresh(ctx context.Context, count int) ([]requestEntry, error) {
	found, _, err := r.read(ctx, "fresh", "", count)
	return found, err
}

// claim takes over entries that have been pending for as long as idle at any consumer, the dead
// included. next is where the following call should go on, "0-0" when all entries were looked
// at.
func (r requests) claim(ctx context.Context, idle time.Duration, from string, count int) (found []requestEntry, next string, err error) {
	return r.read(ctx, idle.Milliseconds(), from, count)
}

// wait returns one entry that the group has given to no consumer yet. It waits for one as long as
// block. A script cannot wait, so this entry is read whole, or not at all if [redisbound] finds it too
// long.
func (r requests) wait(ctx context.Context, block time.Duration) ([]requestEntry, error) {
	cmd := noRetryCmd{redis.NewCmd(ctx, "xreadgroup", "group", intakeGroup, r.consumer, "count", 1, "block", block.Milliseconds(),
		"streams", r.stream, ">")}
	err := r.reading.Process(ctx, cmd)
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	var entries []requestEntry
	if err == nil {
		entries, err = entriesOf(cmd.Val(), r.stream)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.stream, err)
	}
	return entries, nil
}

// read runs read.lua.
func (r requests) read(ctx context.Context, which any, from string, count int) (found []requestEntry, next string, err error) {
	args := []any{1, r.stream, intakeGroup, r.consumer, which, from, count, batchBytes, maxEntryBytes, keptBytes}
	cmd := r.script(ctx, "evalsha", readScript.Hash(), args)
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		if err := readScript.Load(ctx, r.rdb).Err(); err != nil {
			return nil, from, fmt.Errorf("read %s: %w", r.stream, err)
		}
		cmd = r.script(ctx, "evalsha", readScript.Hash(), args)
	}
	answer, err := cmd.Slice()
	if err != nil {
		return nil, from, fmt.Errorf("read %s: %w", r.stream, err)
	}
	if len(answer) == 0 {
		return nil, from, fmt.Errorf("read %s: empty answer", r.stream)
	}
	for _, row := range answer[1:] {
		e, err := entryOf(row)
		if err != nil {
			return nil, from, fmt.Errorf("read %s: %w", r.stream, err)
		}
		found = append(found, e)
	}
	return found, fmt.Sprint(answer[0]), nil
}

// script runs a script once: see [noRetryCmd].
func (r requests) script(ctx context.Context, name, script string, args []any) *redis.Cmd {
	cmd := noRetryCmd{redis.NewCmd(ctx, append([]any{name, script}, args...)...)}
	cmd.SetFirstKeyPos(3)
	r.reading.Process(ctx, cmd) // its error is in the command
	return cmd.Cmd
}

// entryOf reads one entry of read.lua's answer.
func entryOf(row any) (requestEntry, error) {
	words, _ := row.([]any)
	if len(words) != 4 {
		return requestEntry{}, fmt.Errorf("unexpected entry %v", row)
	}
	deliveries, ok1 := words[1].(int64)
	size, ok2 := words[2].(int64)
	fields, ok3 := words[3].([]any)
	if !ok1 || !ok2 || !ok3 {
		return requestEntry{}, fmt.Errorf("unexpected entry %v", row)
	}
	e := requestEntry{id: fmt.Sprint(words[0]), size: int(size), deliveries: int(deliveries)}
	if len(fields) > 0 {
		e.fields = redisscript.Texts(fields)
	}
	return e, nil
}

// survived notes that this consumer has tried to accept entries and lives: they do not end workers.
func (r requests) survived(ctx context.Context, ids []string) error {
	args := []any{"xclaim", r.stream, intakeGroup, r.consumer, 0}
	for _, id := range ids {
		args = append(args, id)
	}
	return r.rdb.Do(ctx, append(args, "retrycount", 0, "justid")...).Err()
}

// forget removes consumers that have ended and have no pending entries, so that their names do
// not pile up in the group. A consumer that ends names itself in ended.
func (r requests) forget(ctx context.Context, idle time.Duration, ended string) error {
	return forgetScript.Run(ctx, r.rdb, []string{r.stream}, intakeGroup, idle.Milliseconds(), ended).Err()
}

// settle acknowledges entries, removes them from the stream, which would grow without end
// otherwise, and writes the dead letters among them: all or nothing.
func (r requests) settle(ctx context.Context, ids []string, deadLetters []*redis.XAddArgs) error {
	if len(ids) == 0 {
		return nil
	}
	pipe := r.rdb.TxPipeline()
	for _, r := range deadLetters {
		pipe.XAdd(ctx, r)
	}
	pipe.XAck(ctx, r.stream, intakeGroup, ids...)
	pipe.XDel(ctx, r.stream, ids...)
	if err := redispipe.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("acknowledge %d entries of %s: %w", len(ids), r.stream, err)
	}
	return nil
}

// noRetryCmd is a command that go-redis does not repeat. When its answer is lost, the entries in
// it are lost too, unless the caller looks for them.
type noRetryCmd struct{ *redis.Cmd }

// NoRetry overrides that of [redis.Cmd].
func (noRetryCmd) NoRetry() bool { return true }

// entriesOf reads the answer of XREADGROUP about one stream, in RESP2 or RESP3. go-redis's own
// reader drops all but one value of a field that is there twice.
func entriesOf(answer any, stream string) ([]requestEntry, error) {
	switch a := answer.(type) {
	case map[any]any:
		return entryList(a[stream])
	case []any:
		if len(a) == 1 {
			if one, ok := a[0].([]any); ok && len(one) == 2 {
				return entryList(one[1])
			}
		}
	}
	return nil, fmt.Errorf("unexpected answer %v", answer)
}

// entryList reads a list of entries. A deleted entry has no fields; Redis 6.2 may also have nil
// in its place.
func entryList(answer any) ([]requestEntry, error) {
	list, ok := answer.([]any)
	if !ok {
		return nil, fmt.Errorf("unexpected entries %v", answer)
	}
	entries := make([]requestEntry, 0, len(list))
	for _, one := range list {
		if one == nil {
			continue
		}
		entry, ok := one.([]any)
		if !ok || len(entry) != 2 {
			return nil, fmt.Errorf("unexpected entry %v", one)
		}
		r := requestEntry{id: fmt.Sprint(entry[0])}
		if fields, there := entry[1].([]any); there {
			r.fields = redisscript.Texts(fields)
		}
		for _, text := range r.fields {
			r.size += len(text)
		}
		entries = append(entries, r)
	}
	return entries, nil
}

func requestsOf(c Config, consumer string) requests {
	return requests{rdb: c.Redis, reading: c.Blocking, stream: c.Keys.Requests(), consumer: consumer}
}
