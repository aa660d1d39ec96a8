--[[ cancel: end an order that nothing was sent for, or let the workers do it. Comes after lease.lua, batch.lua
and settling.lua.

KEYS[1] the order's journal   KEYS[2] due   KEYS[3] the result stream
KEYS[4] closing, a sorted set: orders with a published QR code that are to be closed at QFPay → ms at
        which a worker must look at them
KEYS[5] scheduled, a sorted set: orders that wait for their not_before
ARGV[1] id of the order       ARGV[2] nonce of this call: the client repeats a call whose answer was lost
ARGV[3] state, ARGV[4] reissues, ARGV[5] attempts: what the caller knows of the order
ARGV[6] ms to keep the journal from now on
ARGV[7] prefix of the counters of batches
ARGV[8…] field, value, …      the entry that says "cancelled"; none: the caller cannot write it

Answers
  {"none"}              there is no such order: none was accepted, or the number is reserved
  {"cancelled"}         it has its result now, by this call or by the one that it repeats
  {"asked", state}      a worker goes on with it. Its attempt sends no create any more; one that
                        has sent something clears up what became of it. It is due now, unless an attempt has it or
                        somebody had asked before
  {"closing", closed}   its QR code is published, and it is to be closed at QFPay; closed is what became of
                        that, or ""
  {"already", outcome}  it has its result, without a QR code; nothing was changed
  {"aside"}             it was put aside since its journal is damaged; nothing was changed
  {"moved"}             the order is not as the caller knows it; nothing was changed
]]
local journal, due, closing = KEYS[1], KEYS[2], KEYS[4]
local id, nonce, keep = ARGV[1], ARGV[2], ARGV[6]

local h = redis.call("HMGET", journal, "state", "reissues", "attempts", "reopens", "lease_until", "outcome", "settled_by",
  "cancel_asked_at", "close_asked_at", "closed", "batch", "lane")
local state, outcome = h[1], h[6]
if not state or state == "RESERVED" then return {"none"} end

if state == "DONE" then
  if h[7] == nonce then return {"cancelled"} end
  if outcome ~= "created" then return {"already", outcome} end
  if not h[9] then
    redis.call("HSET", journal, "close_asked_at", now)
    redis.call("ZADD", closing, now, id)
  end
  return {"closing", h[10] or ""}
end

if not redis.call("ZSCORE", due, id) then return {"aside"} end
if state ~= ARGV[3] or (h[2] or "0") ~= ARGV[4] or (h[3] or "0") ~= ARGV[5] then return {"moved"} end
local held = tonumber(h[5] or 0) > now
if state == "NEW" and not held and ARGV[8] then
  give_result(KEYS, id, {state = state, reopens = h[4], batch = h[11], lane = h[12]}, "cancelled", nonce, keep, ARGV[7], 8)
  redis.call("ZREM", KEYS[5], id)
  return {"cancelled"}
end
if not h[8] then
  redis.call("HSET", journal, "cancel_asked_at", now)
  if not held then redis.call("ZADD", due, "XX", now, id) end
end
return {"asked", state}
