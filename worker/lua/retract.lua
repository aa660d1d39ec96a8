--[[ retract: write down that the one create that was to leave was not carried out.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] number

Answers
  {"retracted"}       SENT is NEW again
  {"lost"}            not the holder, or other creates may have left: nothing was changed
]]
local journal, token, number = KEYS[1], ARGV[1], ARGV[2]

if not holder(journal, token) then return {"lost"} end
local h = redis.call("HMGET", journal, "state", "number", "sends", "sender")
if h[2] ~= number then return {"lost"} end
if h[1] == "NEW" and h[3] == "0" then return {"retracted"} end
if h[1] ~= "SENT" or h[3] ~= "1" or h[4] ~= token then return {"lost"} end

redis.call("HSET", journal, "state", "NEW", "sends", 0)
redis.call("HDEL", journal, "sent_at", "first_sent_at", "sender")
return {"retracted"}
