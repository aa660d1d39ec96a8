--[[ retract: write down that no create under this number was carried out: the one that was to leave,
or each that QFPay has refused for the merchant's configuration, the verdict "holding", when a query
did not find the order. A create without an answer leaves no verdict.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] reissues, as claimed

Answers
  {"retracted"}       SENT is NEW again
  {"lost"}            the token does not have the lease, or other creates may have left: nothing
                      was changed
]]
local journal, token, reissues = KEYS[1], ARGV[1], ARGV[2]

local held, state, current, creates_sent, sent_by, verdict =
  holds_lease(journal, token, "state", "reissues", "creates_sent", "sent_by", "verdict")
if not held or current ~= reissues then return {"lost"} end
if state == "NEW" and creates_sent == "0" then return {"retracted"} end
local alone = creates_sent == "1" and sent_by == token
if state ~= "SENT" or not (alone or verdict == "holding") then return {"lost"} end

redis.call("HSET", journal, "state", "NEW", "creates_sent", 0)
redis.call("HDEL", journal, "sent_at", "first_sent_at", "sent_by", "verdict", "verdict_before")
return {"retracted"}
