--[[ quotas: read what QFPay allows the merchants that running workers have. Changes nothing.

KEYS[1] merchants, a hash: merchant → ms until which a running worker has it
KEYS[2] quotas, a hash: merchant → its quota; without one that an older worker has told

Answers {now, merchant, quota, …}: now in ms.
]]
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local answer, told = {now}, redis.call("HGETALL", KEYS[1])
for i = 1, #told, 2 do
  local quota = (tonumber(told[i + 1]) or 0) > now and redis.call("HGET", KEYS[2], told[i])
  if quota then answer[#answer + 1], answer[#answer + 2] = told[i], quota end
end
return answer
