--[[ retract: write down that the one create that was to leave was not carried out.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] number

Answers
  {"retracted"}       SENT is NEW again
  {"lost"}            not the holder, or other creates may have left: nothing was changed
]]
local journal, token, number = KEYS[1], ARGV[1], ARGV[2]

local held, state, current, sends, sender = holder(journal, token, "state", "number", "sends", "sender")
if not held or current ~= number then return {"lost"} end
if state == "NEW" and sends == "0" then return {"retracted"} end
if state ~= "SENT" or sends ~= "1" or sender ~= token then return {"lost"} end

redis.call("HSET", journal, "state", "NEW", "sends", 0)
redis.call("HDEL", journal, "sent_at", "first_sent_at", "sender")
return {"retracted"}
