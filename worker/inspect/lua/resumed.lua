--[[ resumed: make those of some orders due that wait because their merchant or pay type was paused.

KEYS[1] due, a sorted set    KEYS[2…] the orders' journals
ARGV[1…] their ids, in the same order

Answers how many of them waited for that and are due now, also when it is repeated because its answer
was lost. An order that has its result by now is not touched.
]]
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local n = 0
for i, id in ipairs(ARGV) do
  if redis.pcall("HGET", KEYS[i + 1], "deferred_for") == "paused" and redis.call("ZSCORE", KEYS[1], id) then
    redis.call("ZADD", KEYS[1], "XX", "LT", now, id)
    n = n + 1
  end
end
return n
