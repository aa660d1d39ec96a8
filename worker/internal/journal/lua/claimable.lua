--[[ claimable: put before the scripts that lease orders to attempts.

Gives now, in ms on Redis's clock, and
  read(journal, token)  the fields of an order that this token may claim; or nil, and why it may
                        not, as an answer of claim.lua
  lease(journal, due, id, token, ms, fields)
                        leases such an order, and returns claim.lua's answer "ours"
Nothing that a journal holds makes them fail: one damaged journal must not stop other orders. A field
"number" is damage: a worker of format 1 has claimed the order (worker/migrate), and this one would not
see what that one has sent.

When Redis's clock was set back, a lease may seem to have begun later than now: it ends earlier by
that. A create that seems to have left later than now counts as sent now, so that it is given all the
time that it may take to land. A time that is ahead by more than a day is damage, except not_before.

An order of which no create is known to have been sent may not be claimed before its not_before, unless it is only to
end: somebody has asked to cancel it.
]]
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local names = {"state", "token", "lane", "lease_until", "leased_at", "first_attempt_at", "attempts", "reissues", "creates_sent", "not_before",
  "not_found", "accepted_at", "first_sent_at", "sent_at", "deferred_for", "order", "traceparent", "fingerprint", "reopens", "verdict",
  "answer", "no_answer", "cancel_asked_at", "number"}
local answered = #names - 1 -- number is not answered
local numbers = {4, 14} -- from lease_until to sent_at: whole numbers, or missing
local times = {4, 5, 6, 12, 13, 14}
local states = {NEW = "live", SENT = "live", CLOSING = "live", DONE = "settled", RESERVED = "reserved"}
local longest = 524288 -- bytes; an answer of QFPay has 64 KiB, and six times as many as JSON
local lanes = {interactive = true, bulk = true}

local function read(journal, token)
  local h = redis.pcall("HMGET", journal, unpack(names))
  if h.err then return nil, {"damaged", h.err} end
  if not h[1] then return nil, {"none"} end
  for i, name in ipairs(names) do
    if h[i] and #h[i] > longest then return nil, {"damaged", name} end
  end
  local state = states[h[1]]
  if not state then return nil, {"damaged", "state"} end
  if state ~= "live" then return nil, {state} end
  if not lanes[h[3]] then return nil, {"damaged", "lane"} end
  if h[#names] then return nil, {"damaged", "number"} end
  for i = numbers[1], numbers[2] do
    if h[i] and not (#h[i] < 16 and h[i]:find("^%d+$")) then return nil, {"damaged", names[i]} end
  end
  for _, i in ipairs(times) do
    if tonumber(h[i] or 0) > now + 86400000 then return nil, {"damaged", names[i]} end
  end
  local lease_until, back = tonumber(h[4] or 0), tonumber(h[5] or 0) - now
  if back > 0 then
    lease_until = lease_until - back
    redis.call("HSET", journal, "leased_at", now, "lease_until", lease_until)
  end
  if h[2] ~= token and lease_until > now then return nil, {"busy", lease_until - now} end
  local early = tonumber(h[10] or 0) - now
  if early > 0 and h[1] == "NEW" and not h[answered] then return nil, {"early", early} end
  if h[14] and tonumber(h[14]) > now then h[14] = now end
  return h
end

local function lease(journal, due, id, token, ms, h)
  local attempts, reissues, creates_sent = tonumber(h[7] or 0), h[8] or "0", h[9] or "0"
  if h[2] ~= token then attempts = attempts + 1 end -- not for a repeated claim
  redis.call("HSET", journal, "token", token, "leased_at", now, "lease_until", now + ms, "attempts", attempts,
    "reissues", reissues, "creates_sent", creates_sent, "first_attempt_at", h[6] or now)
  if h[14] == now then redis.call("HSET", journal, "sent_at", now) end
  redis.call("ZADD", due, now + ms, id)

  local answer = {"ours", now, h[1], attempts, reissues, creates_sent}
  for i = 11, answered do answer[#answer + 1] = h[i] or "" end
  return answer
end
