--[[ intent: write down that a create is about to leave, before it does.

KEYS[1] the order's journal             KEYS[2] the journal that an order of the number to
                                        be sent would have; the same, or a reissued number's
KEYS[3] paused, a hash: merchant or merchant:pay_type → since when and by whom a person has paused it
ARGV[1] token                           ARGV[2] reissues, as claimed
ARGV[3] creates_sent, how many creates have left under this number as far as the attempt knows
ARGV[4] how long the call may take, ms: the lease must outlast it
ARGV[5] id of the order                 ARGV[6] ms to keep a reissued number reserved
ARGV[7] pay type of the order

A producer might use the number of a reissue for another order. So the number is reserved
here, as a journal RESERVED that accepts no order; if a producer was first, the order goes on
to the next number.

Answers
  {"sent", creates_sent}  NEW or SENT is SENT now, with one more create; it may leave
  {"taken", reissues}     another order has the number; NEW under this next number now, and no
                          create may leave yet
  {"paused"}              a person has paused the merchant, or the pay type; nothing was changed
  {"cancelled"}           somebody has asked to cancel the order: no create may leave, nothing was changed
  {"lost"}                the token does not have the lease, or not for long enough, or the
                          order moved on
A repetition of the same intent gets the same answer and counts once, also if there is a pause since. What was answered to the
creates before becomes verdict_before: a create without an answer leaves no verdict. A re-opened
order has "was …", which is no verdict until the next create is answered.
]]
local journal, numbered = KEYS[1], KEYS[2]
local id, keep = ARGV[5], ARGV[6]
local token, reissues, creates_sent, need = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local lease_until, state, current, sent, sent_by, first, verdict, cancelled =
  holds_lease(journal, token, "state", "reissues", "creates_sent", "sent_by", "first_sent_at", "verdict", "cancel_asked_at")
if not lease_until then return {"lost"} end
if current ~= reissues or tonumber(lease_until) < now + need then return {"lost"} end
if state == "SENT" and sent_by == token and tonumber(sent) == creates_sent + 1 then return {"sent", creates_sent + 1} end
if tonumber(sent) ~= creates_sent then return {"lost"} end
if state ~= "NEW" and state ~= "SENT" then return {"lost"} end
if cancelled then return {"cancelled"} end
if is_paused(KEYS[3], id, ARGV[7]) then return {"paused"} end

if numbered ~= journal then
  local reserved = redis.call("HMGET", numbered, "state", "reserved_for")
  if reserved[1] and reserved[2] ~= id then
    redis.call("HSET", journal, "reissues", reissues + 1)
    return {"taken", reissues + 1}
  end
  redis.call("HSET", numbered, "state", "RESERVED", "reserved_for", id, "fingerprint", "reserved for " .. id)
  redis.call("PEXPIRE", numbered, keep)
end
local before = creates_sent == 0 and "refusing" or string.gsub(verdict or "lost", "^was ", "")
redis.call("HSET", journal, "state", "SENT", "creates_sent", creates_sent + 1, "sent_by", token, "sent_at", now,
  "first_sent_at", first or now, "not_found", 0, "verdict_before", before)
if verdict then redis.call("HDEL", journal, "verdict") end
return {"sent", creates_sent + 1}
