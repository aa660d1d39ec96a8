--[[ close_intent: write down that a close is about to leave, before it does. From here on
no QR code of this order number may be published.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] reissues, as claimed
ARGV[3] how long the call may take, ms: the lease must outlast it

Answers
  {"closing"}         SENT or CLOSING is CLOSING now; the close may leave
  {"lost"}            the token does not have the lease, or not for long enough, or the order
                      moved on
]]
local journal, token, reissues, need = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])

local lease_until, state, current = holds_lease(journal, token, "state", "reissues")
if not lease_until then return {"lost"} end
if current ~= reissues or tonumber(lease_until) < now + need then return {"lost"} end
if state ~= "SENT" and state ~= "CLOSING" then return {"lost"} end

redis.call("HSET", journal, "state", "CLOSING")
return {"closing"}
