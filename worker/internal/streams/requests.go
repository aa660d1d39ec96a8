package streams

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// forgetScript removes consumers that have ended.
var forgetScript = redisscript.Load(luaFiles, "forget")

// intakeGroup is the consumer group of the workers on the request stream.
const intakeGroup = "workers"

// requestEntry is one entry of the request stream.
type requestEntry struct {
	id     string
	fields []string // names and values by turns; nil: it was deleted before it was read
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

// left returns pending entries of this consumer.
func (r requests) left(ctx context.Context, count int) ([]requestEntry, error) {
	return r.read(ctx, "count", count, "streams", r.stream, "0")
}

// fresh returns entries that the group has given to no consumer yet. It waits for one as long as
// block.
func (r requests) fresh(ctx context.Context, count int, block time.Duration) ([]requestEntry, error) {
	return r.read(ctx, "count", count, "block", block.Milliseconds(), "streams", r.stream, ">")
}

func (r requests) read(ctx context.Context, args ...any) ([]requestEntry, error) {
	cmd := noRetryCmd{redis.NewCmd(ctx, append([]any{"xreadgroup", "group", intakeGroup, r.consumer}, args...)...)}
	err := r.reading.Process(ctx, cmd)
	if errors.Is(err, redis.Nil) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.stream, err)
	}
	entries, err := entriesOf(cmd.Val(), r.stream)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.stream, err)
	}
	return entries, nil
}

// claim takes over entries that have been pending for as long as idle at any consumer, the dead
// included. next is where the following call should go on, "0-0" when all entries were looked
// at.
func (r requests) claim(ctx context.Context, idle time.Duration, from string, count int) (found []requestEntry, next string, err error) {
	cmd := noRetryCmd{redis.NewCmd(ctx, "xautoclaim", r.stream, intakeGroup, r.consumer, idle.Milliseconds(), from, "count", count)}
	if err := r.reading.Process(ctx, cmd); err != nil {
		return nil, from, fmt.Errorf("take over entries of %s: %w", r.stream, err)
	}
	answer, _ := cmd.Val().([]any)
	if len(answer) < 2 {
		return nil, from, fmt.Errorf("take over entries of %s: unexpected answer %v", r.stream, cmd.Val())
	}
	found, err = entryList(answer[1])
	return found, fmt.Sprint(answer[0]), err
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
	_, err := r.rdb.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, r := range deadLetters {
			pipe.XAdd(ctx, r)
		}
		pipe.XAck(ctx, r.stream, intakeGroup, ids...)
		pipe.XDel(ctx, r.stream, ids...)
		return nil
	})
	if err != nil {
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
		entries = append(entries, r)
	}
	return entries, nil
}

func requestsOf(c Config, consumer string) requests {
	return requests{rdb: c.Redis, reading: c.Blocking, stream: c.Keys.Requests(), consumer: consumer}
}
