--[[ put_back: let the workers go on with an order that was put aside, if its journal can be read now.
Comes after claimable.lua.

KEYS[1] the order's journal   KEYS[2] due   KEYS[3] damaged
ARGV[1] id of the order       ARGV[2] 1 to put it back, 0 to look

Answers
  {"sound", order, fingerprint}   its journal can be read, and with 1 it is due now
  {"not aside"}                   it is not put aside; nothing was changed
  else as claim.lua: why it cannot be claimed; nothing was changed
]]
local journal, due, damaged, id = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
if not redis.call("ZSCORE", damaged, id) then return {"not aside"} end
local fields, why_not = read(journal, "")
local waits = not fields and (why_not[1] == "busy" or why_not[1] == "early")
if not fields and not waits then return why_not end
if ARGV[2] == "1" then
  redis.call("HDEL", journal, "damaged")
  redis.call("ZREM", damaged, id)
  redis.call("ZADD", due, now, id)
end
local h = redis.call("HMGET", journal, "order", "fingerprint")
return {"sound", h[1] or "", h[2] or ""}
