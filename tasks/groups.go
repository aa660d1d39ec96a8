package tasks

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/groups.lua
var groupsSource string

var groupsScript = redis.NewScript(groupsSource)

// Progress is how far the readers of the result stream have come, at one moment.
type Progress struct {
	Now    time.Time // on Redis's clock, which made the entries' IDs
	Length int64     // entries in the stream
	Groups []Group   // the consumer groups
}

// Group is one consumer group of the result stream.
type Group struct {
	Name   string
	Oldest string // the oldest entry that it has not read or not acknowledged; empty: none
}

// Age is how long ago the oldest entry was published that the group has not read or not
// acknowledged; 0 when there is none.
func (g Group) Age(now time.Time) time.Duration {
	if g.Oldest == "" {
		return 0
	}
	return max(0, now.Sub(EntryTime(g.Oldest)))
}

// Progress tells how far every consumer group has come.
func (r *Results) Progress(ctx context.Context) (Progress, error) {
	return r.progressOf(groupsScript.Run(ctx, r.rdb, []string{r.stream}))
}

func (r *Results) progressOf(cmd *redis.Cmd) (Progress, error) {
	answer, err := cmd.Slice()
	if err == nil && len(answer) < 2 {
		err = fmt.Errorf("unexpected answer %v", answer)
	}
	if err != nil {
		return Progress{}, fmt.Errorf("look at the groups of %s: %w", r.stream, err)
	}
	now, _ := answer[0].(int64)
	length, _ := answer[1].(int64)
	p := Progress{Now: time.UnixMilli(now), Length: length}
	for _, one := range answer[2:] {
		words, ok := one.([]any)
		if !ok || len(words) != 3 {
			return Progress{}, fmt.Errorf("look at the groups of %s: unexpected answer %v", r.stream, one)
		}
		pending, unread := fmt.Sprint(words[1]), fmt.Sprint(words[2])
		oldest := cmp.Or(pending, unread)
		if unread != "" && CompareEntries(unread, oldest) < 0 { // the group was set back
			oldest = unread
		}
		p.Groups = append(p.Groups, Group{Name: fmt.Sprint(words[0]), Oldest: oldest})
	}
	return p, nil
}

// CompareEntries compares IDs of entries of a stream: milliseconds, a hyphen, a number.
func CompareEntries(a, b string) int {
	am, an := entryParts(a)
	bm, bn := entryParts(b)
	return cmp.Or(cmp.Compare(am, bm), cmp.Compare(an, bn))
}

// EntryTime is when an entry of a stream was written, by its ID.
func EntryTime(id string) time.Time {
	ms, _ := entryParts(id)
	return time.UnixMilli(int64(ms))
}

func entryParts(id string) (ms, n uint64) {
	first, second, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(first, 10, 64)
	n, _ = strconv.ParseUint(second, 10, 64)
	return ms, n
}
