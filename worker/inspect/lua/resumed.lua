--[[ resumed: make those of some orders due that wait because their merchant or pay type was paused.

KEYS[1] due, a sorted set    KEYS[2…] the orders' journals
ARGV[1…] their ids, in the same order

Answers how many are due now. An order that has its result by now is not touched.
]]
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local n = 0
for i, id in ipairs(ARGV) do
  if redis.pcall("HGET", KEYS[i + 1], "deferred_for") == "paused" then
    n = n + redis.call("ZADD", KEYS[1], "XX", "LT", "CH", now, id)
  end
end
return n
