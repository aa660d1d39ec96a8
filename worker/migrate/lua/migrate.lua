--[[ migrate: rewrite the journals of some orders from one format into the other, or look only.

KEYS[1] due   KEYS[2] damaged   KEYS[3…] the orders' journals
ARGV[1] 1 for format 1 to 2, 2 for format 2 to 1    ARGV[2] 1 to rewrite, 0 to look
ARGV[3…] their ids, in the same order

Answers {old, blocked}: how many of the journals have the format to come from, and how many
orders without a result the workers of format 1 would end falsely: they have a batch or a not_before, or
were sent and are not what those accept. Nothing is rewritten of those.

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

-- What workers of format 1 refuse in an order. They end it "rejected" then, also when it was sent.
local function refused_there(text)
  local ok, o = pcall(cjson.decode, text or "")
  if not ok or type(o) ~= "table" then return true end
  local name = o.goods_name or ""
  local chinese
  name, chinese = name:gsub("[\228-\233][\128-\191][\128-\191]", "")
  local timed = {["800101"] = true, ["801501"] = true, ["800201"] = true}
  return name:find("[^A-Za-z0-9]") or #name + chinese > 20 or #name + 3 * chinese > 64 or #(o.out_trade_no or "") > 32 or o.rmb_tag
    or (o.pay_tag and o.pay_type ~= "801501") or (o.expired_time and not timed[o.pay_type]) or (o.pay_type == "800701" and o.txcurrcd ~= "HKD")
end

local old, blocked = 0, 0
for i = 3, #KEYS do
  local journal, id, h = KEYS[i], ARGV[i], {}
  local flat = redis.call("TYPE", journal).ok == "hash" and redis.call("HGETALL", journal) or {}
  for f = 1, #flat, 2 do h[flat[f]] = flat[f + 1] end
  local open = h.state ~= "DONE" and h.state ~= "RESERVED"
  local unknown = to == "2" and open and (h.batch or h.not_before or h.state and h.state ~= "NEW" and refused_there(h.order))
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
