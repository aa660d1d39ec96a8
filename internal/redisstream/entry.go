// Package redisstream reads the IDs of the entries of a Redis stream, and how far its consumer
// groups have come. It changes nothing in Redis.
package redisstream

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Compare compares two IDs of entries: milliseconds, a hyphen, a number.
func Compare(a, b string) int {
	am, an := parts(a)
	bm, bn := parts(b)
	return cmp.Or(cmp.Compare(am, bm), cmp.Compare(an, bn))
}

// Time returns when an entry was added to its stream, by its ID.
func Time(id string) time.Time {
	ms, _ := parts(id)
	return time.UnixMilli(int64(ms))
}

// FirstID returns the first ID that an entry of this millisecond can have.
func FirstID(t time.Time) string { return fmt.Sprintf("%d-0", t.UnixMilli()) }

func parts(id string) (ms, n uint64) {
	first, second, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(first, 10, 64)
	n, _ = strconv.ParseUint(second, 10, 64)
	return ms, n
}
