--[[ answered: keep what came of a create, so that it is in the order's history and its result.

KEYS[1] the order's journal
ARGV[1] token                           ARGV[2] reissues, as claimed
ARGV[3] creates_sent, the create that it came of included
ARGV[4] answer, no_answer or row: the field that keeps it
ARGV[5] what it was, JSON               ARGV[6] verdict about this create alone: lost, open,
                                        failing, holding or refusing; empty: none

Answers
  {"noted", verdict, cancelled}
                      verdict is the mildest one about all creates under this number, or "";
                      cancelled is 1 when somebody has asked to cancel the order, else 0
  {"lost"}            another attempt has the order, or it moved on. What came is kept all the
                      same, unless a later create has left; it changes nothing else
  {"none"}            there is no such order
]]
local journal, token, reissues, creates_sent = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local field, text, verdict = ARGV[4], ARGV[5], ARGV[6]
local ranks = {lost = 1, open = 2, failing = 3, holding = 4, refusing = 5}

local h = redis.call("HMGET", journal, "state", "reissues", "creates_sent", "verdict_before", "cancel_asked_at")
if not h[1] then return {"none"} end
local current = tonumber(h[2] or 0) == tonumber(reissues) and tonumber(h[3] or 0) == tonumber(creates_sent)
if current then redis.call("HSET", journal, field, text) end
if not current or not holds_lease(journal, token) then return {"lost"} end
local cancelled = h[5] and 1 or 0
if verdict == "" then return {"noted", "", cancelled} end

local before = h[4] or "lost"
if (ranks[before] or 1) < ranks[verdict] then verdict = before end
redis.call("HSET", journal, "verdict", verdict)
return {"noted", verdict, cancelled}
