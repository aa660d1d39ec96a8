package redisstream

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/progress.lua
var progressSource string

var progressScript = redis.NewScript(progressSource)

// Progress is how far the consumer groups of a stream have come, at one moment.
type Progress struct {
	Now    time.Time // by Redis's clock, from which the IDs of entries are made
	Length int64     // entries in the stream
	Groups []Group
}

// Group is one consumer group of a stream.
type Group struct {
	Name   string
	Oldest string // the oldest entry that it has not read or not acknowledged; empty: none
	// Unread counts the entries that it has not read or not acknowledged. If Redis does not
	// know it, because entries were deleted from the middle of the stream, that is every entry
	// of the stream: an alert too many is better than one too few.
	Unread int64
}

// Age returns how long ago the group's oldest entry was added; 0 if there is none.
func (g Group) Age(now time.Time) time.Duration {
	if g.Oldest == "" {
		return 0
	}
	return max(0, now.Sub(Time(g.Oldest)))
}

// ReadProgress returns how far every consumer group has come.
func ReadProgress(ctx context.Context, rdb redis.Scripter, stream string) (Progress, error) {
	return ParseProgress(progressScript.Run(ctx, rdb, []string{stream}, 0))
}

// AskProgress adds the question about the first groups of a stream, at most so many, to a
// pipeline.
func AskProgress(ctx context.Context, pipe redis.Pipeliner, stream string, most int) *redis.Cmd {
	return progressScript.Eval(ctx, pipe, []string{stream}, most)
}

// ParseProgress reads the answer to AskProgress.
func ParseProgress(cmd *redis.Cmd) (Progress, error) {
	answer, err := cmd.Slice()
	if err != nil {
		return Progress{}, fmt.Errorf("read the consumer groups: %w", err)
	}
	if len(answer) < 2 {
		return Progress{}, fmt.Errorf("read the consumer groups: unexpected answer %v", answer)
	}
	now, _ := answer[0].(int64)
	length, _ := answer[1].(int64)
	p := Progress{Now: time.UnixMilli(now), Length: length}
	for _, one := range answer[2:] {
		words, ok := one.([]any)
		if !ok || len(words) != 5 {
			return Progress{}, fmt.Errorf("read the consumer groups: unexpected answer %v", one)
		}
		p.Groups = append(p.Groups, groupOf(words, length))
	}
	return p, nil
}

// groupOf reads the answer about one group of a stream of that length.
func groupOf(words []any, length int64) Group {
	pending, unread := fmt.Sprint(words[1]), fmt.Sprint(words[2])
	oldest := cmp.Or(pending, unread)
	if unread != "" && Compare(unread, oldest) < 0 { // the group was set back
		oldest = unread
	}
	count, _ := words[3].(int64)
	lag, _ := words[4].(int64)
	g := Group{Name: fmt.Sprint(words[0]), Oldest: oldest, Unread: lag + count}
	if lag < 0 {
		g.Unread = length
	}
	return g
}
