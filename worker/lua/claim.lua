--[[ claim: take an order in hand for one attempt.

KEYS[1] the order's journal, a hash     KEYS[2] due, a sorted set
ARGV[1] id of the order                 ARGV[2] token of the attempt
ARGV[3] lease, ms

Answers
  {"none"}            there is no such order
  {"settled"}         it has its result: nothing is left to do
  {"reserved"}        the number belongs to another order, which was issued again under it
  {"busy", ms}        another attempt holds it for so long
  {"ours", now, state, attempts, number, sends, absents, accepted_at, first_sent_at, sent_at,
   waits_for, order, traceparent}
                      it is ours; now is in ms, and what the journal does not have is ""
The order is due when the lease ends, should nobody be heard of it until then.
]]
local journal, due = KEYS[1], KEYS[2]
local id, token, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local h = redis.call("HMGET", journal, "state", "token", "lease_until", "attempts", "number", "sends", "first_at",
  "absents", "accepted_at", "first_sent_at", "sent_at", "waits_for", "order", "traceparent")
local state, holder, lease_until = h[1], h[2], tonumber(h[3] or 0)
if not state then return {"none"} end
if state == "DONE" then return {"settled"} end
if state == "RESERVED" then return {"reserved"} end
if holder ~= token and lease_until > now then return {"busy", lease_until - now} end

local attempts, number, sends = tonumber(h[4] or 0), h[5] or "0", h[6] or "0"
if holder ~= token then attempts = attempts + 1 end -- not for a repeated claim
redis.call("HSET", journal, "token", token, "lease_until", now + lease, "looks", 0, "attempts", attempts,
  "number", number, "sends", sends, "first_at", h[7] or now)
redis.call("ZADD", due, now + lease, id)

local answer = {"ours", now, state, attempts, number, sends}
for i = 8, 14 do answer[#answer + 1] = h[i] or "" end
return answer
