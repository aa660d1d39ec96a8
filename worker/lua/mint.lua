--[[ mint: take a new number, once the gateway has shown the current one dead.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] number, the one shown dead

Answers
  {"minted", number}  SENT or VOIDING is NEW under the next number
  {"lost"}            not the holder, or the order moved on: nothing was changed
]]
local journal, token, number = KEYS[1], ARGV[1], tonumber(ARGV[2])

local held, state, current = holder(journal, token, "state", "number")
if not held then return {"lost"} end
if state == "NEW" and tonumber(current) == number + 1 then return {"minted", number + 1} end
if tonumber(current) ~= number or (state ~= "SENT" and state ~= "VOIDING") then return {"lost"} end

redis.call("HSET", journal, "state", "NEW", "number", number + 1, "sends", 0, "absents", 0)
redis.call("HDEL", journal, "sent_at", "first_sent_at", "sender")
return {"minted", number + 1}
