--[[ oldest: since when the oldest pending task of an asynq queue has waited.

KEYS[1] the queue's pending list, newest first
ARGV[1] prefix of asynq's task hashes; they share the list's slot of a cluster

Answers
  "1771234567000000000"   Unix time in nanoseconds, on the clock of the process that enqueued it
  nil                     no task waits
]]
local id = redis.call("LINDEX", KEYS[1], -1)
if not id then return false end
return redis.call("HGET", ARGV[1] .. id, "pending_since")
