--[[ void: write down that a close is about to leave, before it does. From here on
no QR code of this number may be published.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] number
ARGV[3] how long the call may take, ms: the lease must outlast it

Answers
  {"voiding"}         SENT or VOIDING is VOIDING now; the close may leave
  {"lost"}            not the holder any more, or not for long enough, or the order moved on
]]
local journal, token, number, need = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])

local lease_until, state, current = holder(journal, token, "state", "number")
if not lease_until then return {"lost"} end
if current ~= number or tonumber(lease_until) < now + need then return {"lost"} end
if state ~= "SENT" and state ~= "VOIDING" then return {"lost"} end

redis.call("HSET", journal, "state", "VOIDING")
return {"voiding"}
