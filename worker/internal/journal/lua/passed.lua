--[[ passed: forget orders whose not_before is over; they wait like any other now.

KEYS[1] scheduled, a sorted set: order → ms of its not_before
ARGV[1] how many orders are forgotten at most

Answers how many were forgotten.
]]
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local passed = redis.call("ZRANGE", KEYS[1], "-inf", now, "BYSCORE", "LIMIT", 0, ARGV[1])
return #passed > 0 and redis.call("ZREM", KEYS[1], unpack(passed)) or 0
