--[[ intent: write down that a create is about to leave, before it does.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] number, as claimed
ARGV[3] sends, how many creates have left under this number as far as the holder knows
ARGV[4] how long the call may take, ms: the lease must outlast it

Answers
  {"sent", sends}     NEW or SENT is SENT now, with one more send; the create may leave
  {"lost"}            not the holder any more, or not for long enough, or the order moved on
A repetition of the same intent gets the same answer and counts once.
]]
local journal = KEYS[1]
local token, number, sends, need = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

if not holder(journal, token) then return {"lost"} end
local h = redis.call("HMGET", journal, "state", "number", "sends", "lease_until", "sender")
if h[2] ~= number or tonumber(h[4]) < now + need then return {"lost"} end
if h[1] == "SENT" and h[5] == token and tonumber(h[3]) == sends + 1 then return {"sent", sends + 1} end
if tonumber(h[3]) ~= sends then return {"lost"} end
if h[1] ~= "NEW" and h[1] ~= "SENT" then return {"lost"} end

redis.call("HSET", journal, "state", "SENT", "sends", sends + 1, "sender", token, "sent_at", now, "absents", 0)
redis.call("HSETNX", journal, "first_sent_at", now)
return {"sent", sends + 1}
