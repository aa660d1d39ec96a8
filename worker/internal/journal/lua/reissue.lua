--[[ reissue: go on under the next order number, once the gateway has shown the current one
closed.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] reissues, as claimed

Answers
  {"reissued", reissues}  SENT or CLOSING is NEW under the next number
  {"lost"}                the token does not have the lease, or the order moved on: nothing was
                          changed
]]
local journal, token, reissues = KEYS[1], ARGV[1], tonumber(ARGV[2])

local held, state, current = holds_lease(journal, token, "state", "reissues")
if not held then return {"lost"} end
if state == "NEW" and tonumber(current) == reissues + 1 then return {"reissued", reissues + 1} end
if tonumber(current) ~= reissues or (state ~= "SENT" and state ~= "CLOSING") then return {"lost"} end

redis.call("HSET", journal, "state", "NEW", "reissues", reissues + 1, "creates_sent", 0, "not_found", 0)
redis.call("HDEL", journal, "sent_at", "first_sent_at", "sent_by", "verdict", "verdict_before")
return {"reissued", reissues + 1}
