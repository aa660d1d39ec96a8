--[[ migrate: rewrite the journals of some orders from one format into the other, or look only.

KEYS[1] due   KEYS[2] damaged   KEYS[3…] the orders' journals
ARGV[1] 1 for format 1 to 2, 2 for format 2 to 1    ARGV[2] 1 to rewrite, 0 to look
ARGV[3…] their ids, in the same order

Answers {old, blocked}: how many of the journals have the format to come from, and how many
orders without a result have fields that format 1 does not know. Nothing is rewritten of those.

No worker runs, so no lease is in force: it goes. The order is due now, in no wait queue. All that the
journal knows of what was sent stays. A worker that was only stopped, and goes on, has lost its lease: it
writes nothing more, and the QR code that it may still get becomes an orphan.
]]
local due, damaged = KEYS[1], KEYS[2]
local to, rewrite = ARGV[1], ARGV[2] == "1"
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The names of format 1, and those of format 2.
local names = {number = "reissues", sends = "creates_sent", absents = "not_found", first_at = "first_attempt_at",
  sender = "sent_by", waits_for = "deferred_for", past = "past_results", retries = "reopens"}
local states = {VOIDING = "CLOSING"}
local mark = "number" -- a claim writes it; an order that was never claimed is the same in both formats
if to == "2" then
  local function turned(t)
    local back = {}
    for k, v in pairs(t) do back[v] = k end
    return back
  end
  names, states, mark = turned(names), turned(states), "reissues"
end

local old, blocked = 0, 0
for i = 3, #KEYS do
  local journal, id, h = KEYS[i], ARGV[i], {}
  local flat = redis.call("TYPE", journal).ok == "hash" and redis.call("HGETALL", journal) or {}
  for f = 1, #flat, 2 do h[flat[f]] = flat[f + 1] end
  local open = h.state ~= "DONE" and h.state ~= "RESERVED"
  local unknown = to == "2" and open and (h.batch or h.not_before)
  if unknown then blocked = blocked + 1 end
  if h[mark] then old = old + 1 end
  if h[mark] and rewrite and not unknown then
    for from, name in pairs(names) do
      if h[from] then
        redis.call("HSET", journal, name, h[from])
        redis.call("HDEL", journal, from)
      end
    end
    for _, field in ipairs({"state", "settled_from"}) do
      if states[h[field]] then redis.call("HSET", journal, field, states[h[field]]) end
    end
    redis.call("HDEL", journal, "token", "leased_at", "lease_until", "looks", "damaged")
    if open and redis.call("ZREM", damaged, id) == 1 then redis.call("ZADD", due, now, id) end
    if open then redis.call("ZADD", due, "XX", "LT", now, id) end
  end
end
return {old, blocked}
