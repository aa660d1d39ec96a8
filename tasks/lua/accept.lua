--[[ accept: write an order into its journal, unless it is there.

KEYS[1] the order's journal, a hash     KEYS[2] due, a sorted set
ARGV[1] id of the order                 ARGV[2] fingerprint of its content
ARGV[3] the order, JSON                 ARGV[4] its lane
ARGV[5] first look, ms from now: by then a worker looks whether the order was forgotten
ARGV[6] nonce of this call, not empty: the client repeats a call whose answer was lost

Answers
  {"new"}                    written, by this call or by the one that it repeats; it is in due
  {"duplicate", state}       it was there with the same content; state is NEW, SENT, VOIDING or DONE
  {"conflict", state}        it was there with other content; nothing was changed

Counters begin with the first claim: a million orders that wait should not hold zeros.
]]
local journal, due = KEYS[1], KEYS[2]
local id, fingerprint, order, lane = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local look, nonce = tonumber(ARGV[5]), ARGV[6]

local known = redis.call("HMGET", journal, "fingerprint", "state", "nonce")
if known[1] then
  if known[3] == nonce then return {"new"} end
  if known[1] == fingerprint then return {"duplicate", known[2]} end
  return {"conflict", known[2]}
end

local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call("HSET", journal, "state", "NEW", "fingerprint", fingerprint, "order", order, "lane", lane,
  "accepted_at", now, "nonce", nonce)
redis.call("ZADD", due, now + look, id)
return {"new"}
