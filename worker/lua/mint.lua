--[[ mint: take a new number, once the gateway has shown the current one dead.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] number, the one shown dead

Answers
  {"minted", number}  SENT or VOIDING is NEW under the next number
  {"lost"}            not the holder, or the order moved on: nothing was changed
]]
local journal, token, number = KEYS[1], ARGV[1], tonumber(ARGV[2])

if not holder(journal, token) then return {"lost"} end
local h = redis.call("HMGET", journal, "state", "number")
if h[1] == "NEW" and tonumber(h[2]) == number + 1 then return {"minted", number + 1} end
if tonumber(h[2]) ~= number or (h[1] ~= "SENT" and h[1] ~= "VOIDING") then return {"lost"} end

redis.call("HSET", journal, "state", "NEW", "number", number + 1, "sends", 0, "absents", 0)
redis.call("HDEL", journal, "sent_at", "first_sent_at", "sender")
return {"minted", number + 1}
