--[[ reopen: let the workers try an order again that ended without a QR code, because a person
says so.

KEYS[1] the order's journal             KEYS[2] due
ARGV[1] id of the order                 ARGV[2] entry of the result that the person knows of
ARGV[3] nonce of this call, not empty: the client repeats a call whose answer was lost
ARGV[4] the order with its new deadline, JSON
ARGV[5] prefix of the counters of batches: in those of its batch the order waits again; see batch.lua of
        the journal

Answers
  {"reopened", state, reissues, reopens}  it is open, and due now; by this call or by the one
                                        that it repeats
  {"none"}                              there is no such order
  {"open", state}                       it has no result yet
  {"kept", outcome}                     this outcome is for good
  {"moved", entry}                      it was re-opened meanwhile, and has another result

Never two QR codes. If anything was ever sent under the order's number, whatever the outcome was,
it goes on as SENT or CLOSING with what it knows: the next attempt begins with a query, and QFPay
must show the old number dead before the order takes the next one. That the order was not found
before is forgotten, so that it is believed only when it is shown twice anew; and an answer
of before ends nothing any more; nor does a request to cancel it. Only an order under whose number nothing was sent is NEW.
]]
local journal, due = KEYS[1], KEYS[2]
local id, known, nonce, order = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local h = redis.call("HMGET", journal, "state", "outcome", "entry", "reissues", "creates_sent", "settled_from",
  "reopens", "reopened_by", "past_results", "verdict", "batch", "lane")
local state, outcome, entry = h[1], h[2], h[3]
local reissues, creates_sent, reopens = tonumber(h[4] or 0), tonumber(h[5] or 0), tonumber(h[7] or 0)
if not state then return {"none"} end
if h[8] == nonce then return {"reopened", state, reissues, reopens} end
if state ~= "DONE" then return {"open", state} end
if outcome ~= "unresolved" and outcome ~= "expired" and outcome ~= "rejected" and outcome ~= "cancelled" then return {"kept", outcome} end
if entry ~= known then return {"moved", entry} end

if h[6] == "NEW" and creates_sent == 0 and outcome ~= "unresolved" then
  state = "NEW"
else
  -- Where the journal does not say whether a close was sent, one counts as sent.
  state = h[6] == "SENT" and "SENT" or "CLOSING"
end
local verdict = h[10]
if verdict and string.sub(verdict, 1, 4) ~= "was " then redis.call("HSET", journal, "verdict", "was " .. verdict) end
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local past_results = (h[9] and h[9] .. " " or "") .. outcome .. ":" .. entry
redis.call("HSET", journal, "state", state, "reissues", reissues, "not_found", 0, "order", order,
  "reopens", reopens + 1, "reopened_by", nonce, "reopened_at", now, "past_results", past_results)
redis.call("HDEL", journal, "outcome", "entry", "settled_by", "settled_at", "settled_from", "deferred_for",
  "cancel_asked_at")
redis.call("PERSIST", journal)
redis.call("ZADD", due, now, id)
local batch = h[11] and ARGV[5] .. h[11]
if batch and type(redis.pcall("HGET", batch, "waiting")) == "string" then
  redis.pcall("HINCRBY", batch, outcome, -1)
  redis.pcall("HINCRBY", batch, "waiting", 1)
  redis.pcall("HINCRBY", batch, "waiting:" .. (h[12] or "") .. ":" .. id:match("^[^:]*"), 1)
  redis.call("PERSIST", batch)
end
return {"reopened", state, reissues, reopens + 1}
