--[[ claim: take an order in hand for one attempt.

KEYS[1] the order's journal, a hash     KEYS[2] due, a sorted set
ARGV[1] id of the order                 ARGV[2] token of the attempt
ARGV[3] lease, ms

Answers
  {"none"}            there is no such order
  {"settled"}         it has its result: nothing is left to do
  {"reserved"}        the number belongs to another order, which was issued again under it
  {"busy", ms}        another attempt holds it for so long
  {"ours", field, value, …}  it is ours; its journal follows, and "now" in ms
The order is due when the lease ends, should nobody be heard of it until then.
]]
local journal, due = KEYS[1], KEYS[2]
local id, token, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local h = redis.call("HMGET", journal, "state", "token", "lease_until", "first_at")
local state, holder, lease_until = h[1], h[2], tonumber(h[3] or 0)
if not state then return {"none"} end
if state == "DONE" then return {"settled"} end
if state == "RESERVED" then return {"reserved"} end
if holder ~= token and lease_until > now then return {"busy", lease_until - now} end

if holder ~= token then redis.call("HINCRBY", journal, "attempts", 1) end -- not for a repeated claim
redis.call("HSET", journal, "token", token, "lease_until", now + lease, "looks", 0)
if not h[4] then redis.call("HSET", journal, "number", 0, "sends", 0, "first_at", now) end
redis.call("ZADD", due, now + lease, id)

local answer = {"ours", "now", now}
for _, v in ipairs(redis.call("HGETALL", journal)) do answer[#answer + 1] = v end
return answer
