--[[ closing_due: hand out published orders that are to be closed at QFPay, each to one process.

KEYS[1] closing, a sorted set: order → ms at which a worker must look at it
ARGV[1] prefix of the journals' keys    ARGV[2] ms until such an order is due again, if nobody reports on it
ARGV[3] token of this call              ARGV[4] how many orders at most
ARGV[5…] merchants of this process: orders of others are left to them, but for a while

Answers {{id, now, order, reissues, accepted_at, first_sent_at, close_asked_at, close_tries, sent_at}, …}. An order that
has no published QR code, or whose journal is gone, is dropped: there is nothing to close.

The script makes the journals' names from ids, since the caller does not know which orders are due. They
carry the same hash tag as KEYS[1].
]]
local closing, prefix, lease, token = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local own = {}
for i = 5, #ARGV do own[ARGV[i]] = true end

local found = {}
for _, id in ipairs(redis.call("ZRANGE", closing, "-inf", now, "BYSCORE", "LIMIT", 0, ARGV[4])) do
  local journal = prefix .. id
  local h = redis.pcall("HMGET", journal, "state", "outcome", "closed", "order", "reissues", "accepted_at", "first_sent_at",
    "close_asked_at", "close_tries", "sent_at")
  if h.err or h[1] ~= "DONE" or h[2] ~= "created" or h[3] then
    redis.call("ZREM", closing, id)
  elseif not own[id:match("^[^:]*")] then
    redis.call("ZADD", closing, now + 1000, id)
  else
    redis.call("HSET", journal, "close_token", token)
    redis.call("ZADD", closing, now + lease, id)
    local one = {id, now}
    for i = 4, 10 do one[#one + 1] = h[i] or "" end
    found[#found + 1] = one
  end
end
return found
