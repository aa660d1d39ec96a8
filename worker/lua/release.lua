--[[ release: put an order down without a result; in line for a place, if it wants one.

KEYS[1] the order's journal   KEYS[2] due
KEYS[3] the line to join, a sorted set: order → ms at which it was accepted; absent: none
KEYS[4] lines, a sorted set: app_code → ms at which somebody must look at its lines
ARGV[1] id of the order       ARGV[2] token
ARGV[3] ms until it is due    ARGV[4] 1 when an enquiry found nothing that could still be on its way, else 0
ARGV[5] why, for whoever reads the journal
ARGV[6] with a line: app_code           ARGV[7] LT to have somebody look at the line at once, NX to leave that as it is

Answers
  {"released"}        it is due then
  {"lost"}            not the holder any more: nothing was changed
]]
local journal, due = KEYS[1], KEYS[2]
local id, token, delay, absent, why = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

if not holder(journal, token) then return {"lost"} end
if absent == 1 then redis.call("HINCRBY", journal, "absents", 1) end
redis.call("HSET", journal, "waits_for", why)
redis.call("HDEL", journal, "token", "lease_until")
redis.call("ZADD", due, "XX", now + delay, id)
if KEYS[3] then
  redis.call("ZADD", KEYS[3], redis.call("HGET", journal, "accepted_at"), id)
  redis.call("ZADD", KEYS[4], ARGV[7], now, ARGV[6])
end
return {"released"}
