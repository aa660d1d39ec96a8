--[[ set_aside: an order cannot be worked on because its journal is damaged. It is tried again a few
times, since a newer worker may know how to read it; then it is put aside, out of due, so that it
costs nothing and people see it.

KEYS[1] the order's journal   KEYS[2] due   KEYS[3] damaged, a sorted set: id → ms
ARGV[1] id of the order       ARGV[2] token of the attempt that found it damaged, or ""
ARGV[3] how many tries        ARGV[4] ms until the first further try; doubles each time

Answers
  {"again"}     it is due again
  {"aside"}     it was put aside, by this call
  {"gone"}      it was put aside before, or has its result, or another attempt has it
]]
local journal, due, damaged = KEYS[1], KEYS[2], KEYS[3]
local id, token, most, pause = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

if not redis.call("ZSCORE", due, id) then return {"gone"} end
local tries = most -- of a journal that is no hash, or is missing
if redis.call("TYPE", journal).ok == "hash" then
  local h = redis.call("HMGET", journal, "token", "damaged", "lease_until")
  local lease = (tonumber(h[3]) or 0) - now
  if h[1] and h[1] ~= token and lease > 0 and lease <= 86400000 then return {"gone"} end
  redis.call("HDEL", journal, "token", "leased_at", "lease_until")
  tries = (tonumber(h[2] or 0) or most) + 1
  redis.call("HSET", journal, "damaged", tries)
end
if tries < most then
  redis.call("ZADD", due, now + pause * 2 ^ (tries - 1), id)
  return {"again"}
end
redis.call("ZREM", due, id)
redis.call("ZADD", damaged, now, id)
return {"aside"}
