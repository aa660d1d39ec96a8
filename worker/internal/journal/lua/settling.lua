--[[ settling: put before the scripts that give an order its result, behind lease.lua and batch.lua.

Gives give_result(keys, id, order, outcome, author, keep, batches, from): ARGV from this index on are the
names and values of the entry. It writes the entry to the result stream and the outcome into the journal, takes
the order out of due, lets the journal expire in keep ms, and counts in the order's batch, whose counters have the
prefix batches; it answers the entry's id. keys are the journal, due and the result stream; order has the
journal's state, reopens, batch and lane. The id of an order that was re-opened gets "#2", "#3" … behind it.
author names who has settled, so that a repetition by the same author is known.
]]
local function give_result(keys, id, order, outcome, author, keep, batches, from)
  local journal, due, stream = unpack(keys)
  local reopens = tonumber(order.reopens or 0)
  for i = from, reopens > 0 and #ARGV or 0, 2 do
    if ARGV[i] == "id" then ARGV[i + 1] = id .. "#" .. reopens + 1 end
  end
  local entry = redis.call("XADD", stream, "*", unpack(ARGV, from))
  redis.call("HSET", journal, "state", "DONE", "outcome", outcome, "entry", entry, "settled_by", author, "settled_at", now,
    "settled_from", order.state)
  redis.call("HDEL", journal, "token", "leased_at", "lease_until")
  redis.call("ZREM", due, id)
  redis.call("PEXPIRE", journal, keep)
  if order.batch then settled_in(batches .. order.batch, id, outcome, order.lane, keep) end
  return entry
end
