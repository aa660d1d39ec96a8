--[[ clock: see whether Redis's clock went back, as it also does when a replica takes over whose
clock is behind, and bring back the times of due and waiting, which are later than meant by as much.

KEYS[1] clock, a hash: seen (ms, the latest time that was read); while orders are left to be moved
        also back (ms that they move back by) and from (score of the first that is left)
KEYS[2] due   KEYS[3] waiting
ARGV[1] ms that a clock may go back unnoticed    ARGV[2] how many orders are moved at most

Answers {back, left}: ms by which the clock went back since the last call, 0 as a rule; left is 1
when orders are left for a further call. Orders that were put off since then may move too: a
worker looks at them too early, and puts them off again.
]]
local key, due, waiting = KEYS[1], KEYS[2], KEYS[3]
local unnoticed, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local h = redis.call("HMGET", key, "seen", "back", "from")
local back, from = tonumber(h[2]), h[3]
local went = (tonumber(h[1]) or now) - now
if went > unnoticed then
  back, from = (back or 0) + went, now
  for _, app in ipairs(redis.call("ZRANGE", waiting, "(" .. from, "+inf", "BYSCORE")) do
    redis.call("ZINCRBY", waiting, -went, app)
  end
else
  went = 0
end
if went > 0 or not h[1] or now - h[1] >= 1000 then redis.call("HSET", key, "seen", now) end
if not back then return {0, 0} end

local page = redis.call("ZRANGE", due, from, "+inf", "BYSCORE", "LIMIT", 0, most, "WITHSCORES")
for i = 1, #page, 2 do redis.call("ZADD", due, page[i + 1] - back, page[i]) end
if #page < 2 * most then
  redis.call("HDEL", key, "back", "from")
  return {went, 0}
end
redis.call("HSET", key, "back", back, "from", page[#page])
return {went, 1}
