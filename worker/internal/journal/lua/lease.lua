--[[ lease: put before the scripts that only the holder of an order's lease may run.

Gives them now, in ms on Redis's clock, and holds_lease(journal, token, …): whether this
token has the lease of the order, that is, the lease has not run out and no other attempt has
claimed the order since. If so, it answers the journal's lease_until and the fields that are
named behind the token. And is_paused(paused, id, pay_type): whether a person has paused the order's
merchant, or this pay type of it, by the hash paused.
]]
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function holds_lease(journal, token, ...)
  local h = redis.call("HMGET", journal, "token", "lease_until", ...)
  if h[1] == token and tonumber(h[2]) > now then return unpack(h, 2) end
end

local function is_paused(paused, id, pay_type)
  local merchant = string.match(id, "^[^:]*")
  local h = redis.call("HMGET", paused, merchant, merchant .. ":" .. pay_type)
  return h[1] or h[2]
end
