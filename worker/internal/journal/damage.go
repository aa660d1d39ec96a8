package journal

import "github.com/redis/go-redis/v9"

// IsDamage reports whether Redis could not read one journal, or the entry that it names. It does not
// hide the other orders.
func IsDamage(err error) bool {
	return redis.HasErrorPrefix(err, "WRONGTYPE") || redis.HasErrorPrefix(err, "ERR Invalid stream ID")
}
