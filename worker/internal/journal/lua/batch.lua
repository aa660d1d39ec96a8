--[[ batch: put before the scripts that give an order its result, behind lease.lua or claimable.lua.

Gives them settled_in(batch, id, outcome, lane, keep): counts in the counters of a batch that one of its
orders, of this id and lane, has its result. The counters are a hash:
  accepted                                  orders: always as many as wait and have an outcome
  merchant:MERCHANT                         the same of one merchant
  waiting                                   orders without a result
  waiting:LANE:MERCHANT                     the same of one lane and merchant; gone when there is none
  created, rejected, expired, …             orders by outcome
  first_accepted_at, last_accepted_at, last_settled_at, last_not_before   ms
accept.lua, the scripts that settle, and reopen.lua change them, each together with the order's journal.
They are kept while one of the orders waits, and for keep ms after the last change.

Counters that are gone, or that are no numbers any more, hold up no result and are left as they are.
]]
local function settled_in(batch, id, outcome, lane, keep)
  if type(redis.pcall("HGET", batch, "waiting")) ~= "string" then return end
  local waiting, field = redis.pcall("HINCRBY", batch, "waiting", -1), "waiting:" .. (lane or "") .. ":" .. id:match("^[^:]*")
  redis.pcall("HINCRBY", batch, outcome, 1)
  if redis.pcall("HINCRBY", batch, field, -1) == 0 then redis.call("HDEL", batch, field) end
  redis.call("HSET", batch, "last_settled_at", now)
  if waiting == 0 then redis.call("PEXPIRE", batch, keep) end
end
