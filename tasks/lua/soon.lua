--[[ soon: make orders due soon, because no worker was woken for them.

KEYS[1] due, a sorted set
ARGV[1] ms until they are due          ARGV[2…] their ids

An order that is due earlier stays so, and one that has its result by now is not touched. Answers 0.
]]
local clock = redis.call("TIME")
local at = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[1]
for i = 2, #ARGV do redis.call("ZADD", KEYS[1], "XX", "LT", at, ARGV[i]) end
return 0
