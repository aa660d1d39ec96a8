--[[ accept: write new orders into their journals.

KEYS[1] due, a sorted set    KEYS[2] the result stream    KEYS[3…] the orders' journals, hashes, and
        behind them the counters of their batches, each once, hashes; see batch.lua of the journal
ARGV[1] nonce of this call, not empty: the client repeats a call whose answer was lost
ARGV[2] high-water mark: if the stream has so many results, no new orders are accepted; 0: no mark
ARGV[3] ms until a duplicate is due that no worker has claimed yet: its wake-up may have been lost
ARGV[4] how many orders there are
ARGV[5…] five for each order, in the sequence of the journals: its id, the fingerprint of its
        content, the order as JSON, its lane, and when it becomes due, in ms from now: then a worker
        checks whether the order was forgotten
ARGV[…] after these, three for each further field of a journal: the order's position, from 1, the
        field's name and its value. traceparent; batch; not_before, in ms: an order is not due before it,
        and due then if it is ahead

Answers the number of orders, and three for each order that is not new: its position, from 1, and
  "duplicate", state   it exists with the same content; state is NEW, SENT, CLOSING or DONE
  "conflict", state    it exists with other content; nothing changed
  "full", length       it is new, but the stream has reached the mark; nothing changed
  "failed", error      Redis could not read its journal; nothing changed
The other orders were written, by this call or by the call that it repeats, and are in due. The
journal gets its counters at the first claim: a million waiting orders need not hold zeros.

An order counts in its batch when this call has written it, so neither a duplicate nor a repeated call
counts. Where a key is of another type, its batch is not counted, and no order is held up.

In bulk, the calls of Redis for each order are what costs time. Therefore the usual case, a new
order, is checked for all orders at once, and has no answer.
]]
local due, results = KEYS[1], KEYS[2]
local nonce, mark, again, orders = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])

-- Both before the first write: if a key has another type, no order may be accepted in part.
redis.call("ZCARD", due)
local length = redis.call("XLEN", results)
local full = mark > 0 and length >= mark

local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- Each number is converted to text once, not once for each order, which is slow.
local text = function(n) return string.format("%.0f", n) end
local accepted_at, scores = text(now), {}
local answers, looks, soon = {ARGV[4]}, {}, {}
local further = {} -- by position: the names and values of an order's further fields, in turn
local batch_of, batches = {}, {} -- by position: the batch of an order; by batch: what this call adds
local starts = {} -- by position: not_before, where it is ahead
for at = 5 * orders + 5, #ARGV, 3 do
  local i, name, value = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  further[i] = further[i] or {}
  further[i][#further[i] + 1], further[i][#further[i] + 2] = name, value
  if name == "batch" then batch_of[i] = value end
  if name == "not_before" and tonumber(value) > now then starts[i] = value end
end
local all_new = redis.call("EXISTS", unpack(KEYS, 3, 2 + orders)) == 0
local here = {} -- an order may appear twice in one call
for i = 1, orders do
  local journal, at = KEYS[i + 2], 5 * i
  local fingerprint = ARGV[at + 1]
  local known = {}
  if not all_new or here[journal] then known = redis.pcall("HMGET", journal, "fingerprint", "state", "nonce", "first_attempt_at", "not_before") end
  local word, more
  if known.err then
    word, more = "failed", known.err
  elseif known[1] then
    if known[3] ~= nonce or here[journal] then
      word, more = known[1] == fingerprint and "duplicate" or "conflict", known[2]
      if word == "duplicate" and not known[4] and tonumber(known[5] or 0) <= now then soon[#soon + 1] = ARGV[at] end
    end
  elseif full then
    word, more = "full", text(length)
  else
    redis.call("HSET", journal, "state", "NEW", "fingerprint", fingerprint, "order", ARGV[at + 2], "lane", ARGV[at + 3],
      "accepted_at", accepted_at, "nonce", nonce)
    if further[i] then redis.call("HSET", journal, unpack(further[i])) end
    if batch_of[i] then
      local added = batches[batch_of[i]] or {}
      local field = "waiting:" .. ARGV[at + 3] .. ":" .. ARGV[at]:match("^[^:]*")
      added.accepted, added[field] = (added.accepted or 0) + 1, (added[field] or 0) + 1
      batches[batch_of[i]] = added
    end
    local look = ARGV[at + 4]
    if not scores[look] then scores[look] = text(now + look) end
    looks[#looks + 1], looks[#looks + 2] = starts[i] or scores[look], ARGV[at]
  end
  here[journal] = true
  if word then
    answers[#answers + 1], answers[#answers + 2], answers[#answers + 3] = tostring(i), word, more
  end
end
if #looks > 0 then redis.call("ZADD", due, unpack(looks)) end
for i = 3 + orders, #KEYS do
  local added = batches[KEYS[i]:match("[^:]*$")]
  if added then
    local before = redis.pcall("HGET", KEYS[i], "accepted")
    added.waiting = added.accepted
    for field, n in pairs(added) do redis.pcall("HINCRBY", KEYS[i], field, n) end
    redis.pcall("HSET", KEYS[i], "last_accepted_at", accepted_at)
    if not before then redis.pcall("HSET", KEYS[i], "first_accepted_at", accepted_at) end
    redis.pcall("PERSIST", KEYS[i])
  end
end
for _, id in ipairs(soon) do redis.call("ZADD", due, "XX", "LT", now + again, id) end
return answers
