--[[ intent: write down that a create is about to leave, before it does.

KEYS[1] the order's journal             KEYS[2] the journal that an order of the number to
                                        be sent would have; the same, or a reissued number's
ARGV[1] token                           ARGV[2] number, as claimed
ARGV[3] sends, how many creates have left under this number as far as the holder knows
ARGV[4] how long the call may take, ms: the lease must outlast it
ARGV[5] id of the order                 ARGV[6] ms to keep a reissued number reserved

A reissued number is a number that a producer might use. It is reserved here, as a
journal RESERVED that accepts no order; if a producer was first, the order goes on to
the next number.

Answers
  {"sent", sends}     NEW or SENT is SENT now, with one more send; the create may leave
  {"taken", number}   another order has the number; NEW under this next number now, nothing may leave yet
  {"lost"}            not the holder any more, or not for long enough, or the order moved on
A repetition of the same intent gets the same answer and counts once.
]]
local journal, numbered = KEYS[1], KEYS[2]
local id, keep = ARGV[5], ARGV[6]
local token, number, sends, need = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local lease_until, state, current, sent, sender, first =
  holder(journal, token, "state", "number", "sends", "sender", "first_sent_at")
if not lease_until then return {"lost"} end
if current ~= number or tonumber(lease_until) < now + need then return {"lost"} end
if state == "SENT" and sender == token and tonumber(sent) == sends + 1 then return {"sent", sends + 1} end
if tonumber(sent) ~= sends then return {"lost"} end
if state ~= "NEW" and state ~= "SENT" then return {"lost"} end

if numbered ~= journal then
  local reserved = redis.call("HMGET", numbered, "state", "reserved_for")
  if reserved[1] and reserved[2] ~= id then
    redis.call("HSET", journal, "number", number + 1)
    return {"taken", number + 1}
  end
  redis.call("HSET", numbered, "state", "RESERVED", "reserved_for", id, "fingerprint", "reserved for " .. id)
  redis.call("PEXPIRE", numbered, keep)
end
redis.call("HSET", journal, "state", "SENT", "sends", sends + 1, "sender", token, "sent_at", now,
  "first_sent_at", first or now, "absents", 0)
return {"sent", sends + 1}
