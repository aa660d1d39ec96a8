--[[ settle: give an order its result and publish it, both or neither. Comes after lease.lua, batch.lua and settling.lua.

KEYS[1] the order's journal   KEYS[2] due   KEYS[3] the result stream
KEYS[4] closing, a sorted set: orders with a published QR code that are to be closed at QFPay
KEYS[5] open, a sorted set: order → ms of publication; only when published codes are followed: a
        created order joins it, and its journal keeps what a query about its payment needs
ARGV[1] id of the order       ARGV[2] token       ARGV[3] reissues, as claimed
ARGV[4] outcome               ARGV[5] ms to keep the journal from now on
ARGV[6] prefix of the counters of batches
ARGV[7…] field, value, …      the entry

An attempt that has the QR code of the current number may publish "created", also after its
lease, unless a close may have left (CLOSING) or no create was sent. Any other outcome needs
the lease. A QR code that comes although somebody has asked to cancel the order is published, and to
be closed.

Answers
  {"published", entry}  the order has its result, under this entry of the stream;
                        a repetition by the same token gets the same answer
  {"already", outcome}  it had its result before
  {"lost", state}       not allowed
  {"none"}              there is no such order
"already" and "lost" change nothing, with one exception: the QR code that is not published is
written down as an orphan, since an order may stand at QFPay under its number and syssn.
]]
local journal, stream, closing = KEYS[1], KEYS[3], KEYS[4]
local id, token, reissues, outcome, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local h = redis.call("HMGET", journal, "state", "reissues", "outcome", "settled_by", "entry", "reopens", "orphans", "batch", "lane",
  "cancel_asked_at")
local state = h[1]

-- The published result may be of this very order: a gateway that answers a repeated
-- create with what it had answered before leaves no orphan.
local function published_as(syssn)
  local entry = h[5] and redis.call("XRANGE", stream, h[5], h[5])[1]
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == "syssn" then return entry[2][i + 1] == syssn end
  end
  return false
end

local function unpublished(...)
  if outcome == "created" then
    local result = {}
    for i = 7, #ARGV, 2 do result[ARGV[i]] = ARGV[i + 1] end
    local orphan, known = result.issued_as .. ":" .. result.syssn, h[7] or ""
    if not string.find(" " .. known .. " ", " " .. orphan .. " ", 1, true) and not published_as(result.syssn) then
      redis.call("HSET", journal, "orphans", known == "" and orphan or known .. " " .. orphan)
    end
  end
  return {...}
end

if not state then return {"none"} end
if state == "DONE" then
  if h[4] == token then return {"published", h[5]} end
  return unpublished("already", h[3])
end
if h[2] ~= reissues then return unpublished("lost", state) end
if outcome == "created" then
  if state ~= "SENT" then return unpublished("lost", state) end
elseif not holds_lease(journal, token) then
  return {"lost", state}
end

local order = {state = state, reopens = h[6], batch = h[8], lane = h[9]}
local entry = give_result(KEYS, id, order, outcome, token, keep, ARGV[6], 7)
if outcome == "created" and h[10] then
  redis.call("HSET", journal, "close_asked_at", now)
  redis.call("ZADD", closing, now, id)
end
if KEYS[5] and outcome == "created" then
  redis.call("HSET", journal, "payment", "open")
  for i = 7, #ARGV, 2 do
    local name = ARGV[i]
    if name == "issued_as" or name == "syssn" or name == "sysdtm" or name == "qr_expires_at" then
      redis.call("HSET", journal, name, ARGV[i + 1])
    end
  end
  redis.call("ZADD", KEYS[5], now, id)
end
return {"published", entry}
