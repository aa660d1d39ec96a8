--[[ release: give up the lease of an order without a result. If the order needs a slot, it joins
a wait queue.

KEYS[1] the order's journal   KEYS[2] due
KEYS[3] the wait queue to join, a sorted set: order → ms since which it waits: it was accepted then,
        or its not_before is later; absent: none
KEYS[4] waiting, a sorted set: app_code → ms at which a dispatcher must look at its wait queues
ARGV[1] id of the order       ARGV[2] token
ARGV[3] ms until it is due    ARGV[4] 1 when a query did not find the order though every
                              create must have landed by then, else 0
ARGV[5] why, for people who read the journal
ARGV[6] with a wait queue: app_code     ARGV[7] LT to wake a dispatcher at once, NX to keep the time of its next look

Answers
  {"released"}        it is due then
  {"lost"}            the token does not have the lease any more: nothing was changed
]]
local journal, due = KEYS[1], KEYS[2]
local id, token, delay, not_found, why = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

if not holds_lease(journal, token) then return {"lost"} end
if not_found == 1 then redis.call("HINCRBY", journal, "not_found", 1) end
redis.call("HSET", journal, "deferred_for", why)
redis.call("HDEL", journal, "token", "leased_at", "lease_until")
redis.call("ZADD", due, "XX", now + delay, id)
if KEYS[3] then
  local since = redis.call("HMGET", journal, "accepted_at", "not_before")
  redis.call("ZADD", KEYS[3], math.max(since[1], since[2] or 0), id)
  redis.call("ZADD", KEYS[4], ARGV[7], now, ARGV[6])
end
return {"released"}
