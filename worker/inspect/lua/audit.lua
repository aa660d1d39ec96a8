--[[ audit: read what has to agree about some orders, each as it is at this moment.
Changes nothing.

KEYS[1] due   KEYS[2] the result stream   KEYS[3…] journals of orders
ARGV[1] prefix of the counters of batches
ARGV[2…] ids of the orders, in the same sequence

Answers {first, {state, due, entry, found, uncounted}, …}: first is the oldest entry of the
stream, empty when it has none, and "none" when there is no stream. Of each order: its
state, empty without a journal; due, 1 when it is in due; the entry of its result, empty
when it names none; found, 1 when that is in the stream; uncounted, its batch if it has no result and that
has no counters, else empty. A damaged journal does not hide the others.
]]
local due, stream = KEYS[1], KEYS[2]

local oldest = redis.call("XRANGE", stream, "-", "+", "COUNT", 1)[1]
local first = oldest and oldest[1] or ""
if redis.call("EXISTS", stream) == 0 then first = "none" end

local answer = {first}
for i = 2, #ARGV do
  local h = redis.pcall("HMGET", KEYS[i + 1], "state", "entry", "batch")
  if h.err then h = {"not a hash"} end
  local entry = h[2] and redis.pcall("XRANGE", stream, h[2], h[2]) or {}
  local found = entry.err and 0 or #entry -- an error: the journal names no entry
  local uncounted = h[3] and h[1] ~= "DONE" and redis.call("EXISTS", ARGV[1] .. h[3]) == 0 and h[3] or ""
  answer[#answer + 1] = {h[1] or "", redis.call("ZSCORE", due, ARGV[i]) and 1 or 0, h[2] or "", found, uncounted}
end
return answer
