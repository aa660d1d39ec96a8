--[[ audit: read what has to agree about some orders, each as it is at this moment.
Changes nothing.

KEYS[1] due   KEYS[2] the result stream   KEYS[3] the payment stream
KEYS[4…] of each order in turn: its journal, and the open codes of its merchant
ARGV[1] prefix of the counters of batches
ARGV[2…] ids of the orders, in the same sequence

Answers {first, first_paid, {state, due, entry, found, payment, payment_entry, payment_found, open, uncounted}, …}:
first is the oldest entry of the result stream, empty when it has none, and "none" when there is no
stream; first_paid the same of the payment stream. Of each order: its state, empty without a journal; due,
1 when it is in due; the entry of its result, empty when it names none; found, 1 when that is in the
stream; the state of its code, empty when it has none that is followed; the entry of the code's final event
and whether it is in the stream; open, 1 when the code is among the open ones; uncounted, its batch if the
order has no result and the batch has no counters, else empty. A damaged journal does not hide the others.
]]
local due, results, payments = KEYS[1], KEYS[2], KEYS[3]

local function oldest_of(stream)
  if redis.call("EXISTS", stream) == 0 then return "none" end
  local oldest = redis.call("XRANGE", stream, "-", "+", "COUNT", 1)[1]
  return oldest and oldest[1] or ""
end

local function has(stream, entry)
  local found = entry and redis.pcall("XRANGE", stream, entry, entry) or {}
  return found.err and 0 or #found -- an error: the journal names no entry
end

local answer = {oldest_of(results), oldest_of(payments)}
for i = 2, #ARGV do
  local id = ARGV[i]
  local h = redis.pcall("HMGET", KEYS[2 * i], "state", "entry", "payment", "payment_entry", "batch")
  if h.err then h = {"not a hash"} end
  local uncounted = h[5] and h[1] ~= "DONE" and redis.call("EXISTS", ARGV[1] .. h[5]) == 0 and h[5] or ""
  answer[#answer + 1] = {h[1] or "", redis.call("ZSCORE", due, id) and 1 or 0, h[2] or "", has(results, h[2]),
    h[3] or "", h[4] or "", has(payments, h[4]), redis.call("ZSCORE", KEYS[2 * i + 1], id) and 1 or 0, uncounted}
end
return answer
