--[[ settle: give an order its result and publish it, both or neither. Comes after lease.lua and batch.lua.

KEYS[1] the order's journal   KEYS[2] due   KEYS[3] the result stream
KEYS[4] open, a sorted set: order → ms of publication; only when published codes are followed: a
        created order joins it, and its journal keeps what a query about its payment needs
ARGV[1] id of the order       ARGV[2] token       ARGV[3] reissues, as claimed
ARGV[4] outcome               ARGV[5] ms to keep the journal from now on
ARGV[6] prefix of the counters of batches
ARGV[7…] field, value, …      the entry; the id of an order that was re-opened gets "#2", "#3" …
                              behind it

An attempt that has the QR code of the current number may publish "created", also after its
lease, unless a close may have left (CLOSING) or no create was sent. Any other outcome needs
the lease.

Answers
  {"published", entry}  the order has its result, under this entry of the stream;
                        a repetition by the same token gets the same answer
  {"already", outcome}  it had its result before
  {"lost", state}       not allowed
  {"none"}              there is no such order
"already" and "lost" change nothing, with one exception: the QR code that is not published is
written down as an orphan, since an order may stand at QFPay under its number and syssn.
]]
local journal, due, stream = KEYS[1], KEYS[2], KEYS[3]
local id, token, reissues, outcome, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local h = redis.call("HMGET", journal, "state", "reissues", "outcome", "settled_by", "entry", "reopens", "orphans", "batch", "lane")
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

local reopens = tonumber(h[6] or 0)
for i = 7, #ARGV, 2 do
  if ARGV[i] == "id" and reopens > 0 then ARGV[i + 1] = id .. "#" .. reopens + 1 end
end
local entry = redis.call("XADD", stream, "*", unpack(ARGV, 7))
redis.call("HSET", journal, "state", "DONE", "outcome", outcome, "entry", entry, "settled_by", token, "settled_at", now,
  "settled_from", state)
redis.call("HDEL", journal, "token", "leased_at", "lease_until")
redis.call("ZREM", due, id)
redis.call("PEXPIRE", journal, keep)
if h[8] then settled_in(ARGV[6] .. h[8], id, outcome, h[9], keep) end
if KEYS[4] and outcome == "created" then
  redis.call("HSET", journal, "payment", "open")
  for i = 7, #ARGV, 2 do
    local name = ARGV[i]
    if name == "issued_as" or name == "syssn" or name == "sysdtm" or name == "qr_expires_at" then
      redis.call("HSET", journal, name, ARGV[i + 1])
    end
  end
  redis.call("ZADD", KEYS[4], now, id)
end
return {"published", entry}
