--[[ take: a place for one call within both limits of an app_code.

KEYS[1] its calls, a sorted set: call → µs at which it leaves or left
KEYS[2] its state, a hash: pause (no call before, µs), place (the last place handed out beyond the horizon, µs)
ARGV[1] a name for the call
ARGV[2] horizon, µs: a place further off is not taken, only shown
ARGV[3] calls a second, 0 for any number   ARGV[4] that window, µs, guard included
ARGV[5] calls a minute, 0 for any number   ARGV[6] that window, µs, guard included
ARGV[7] gap, µs: the least time between two calls

Answers
  {"granted", wait, second, minute}   the place is taken; leave in wait µs
  {"later", wait, second, minute}     nothing is taken; come back in wait µs, when a place of one's own is near
second and minute: how many calls are in the windows now.
]]
local calls, mine = KEYS[1], KEYS[2]
local name, horizon = ARGV[1], tonumber(ARGV[2])
local per_second, second = tonumber(ARGV[3]), tonumber(ARGV[4])
local per_minute, minute = tonumber(ARGV[5]), tonumber(ARGV[6])
local gap = tonumber(ARGV[7])
local clock = redis.call("TIME")
local now = clock[1] * 1000000 + clock[2]
local function whole(x) return string.format("%.0f", x) end -- tostring would round to 14 digits

redis.call("ZREMRANGEBYSCORE", calls, "-inf", "(" .. whole(now - minute))
local used = {redis.call("ZCOUNT", calls, whole(now - second), whole(now)), redis.call("ZCOUNT", calls, "-inf", whole(now))}

-- The earliest place: after the pause, behind the last call by the gap, and when
-- the call that fills a window has left it.
local h = redis.call("HMGET", mine, "pause", "place")
local at = math.max(now, tonumber(h[1] or 0))
local function not_before(rank, pause)
  local call = redis.call("ZRANGE", calls, rank, rank, "WITHSCORES")
  if call[2] then at = math.max(at, tonumber(call[2]) + pause) end
end
not_before(-1, gap)
if per_second > 0 then not_before(-per_second, second) end
if per_minute > 0 then not_before(-per_minute, minute) end

if at - now > horizon then
  -- Everybody who has to come back gets a time of his own, as far apart as the
  -- limits allow calls to be: no herd, and no place in the log for an absentee.
  local pace = gap
  if per_second > 0 then pace = math.max(pace, second / per_second) end
  if per_minute > 0 then pace = math.max(pace, minute / per_minute) end
  local place = math.max(at, tonumber(h[2] or 0) + pace)
  redis.call("HSET", mine, "place", whole(place))
  redis.call("PEXPIRE", mine, math.ceil((place - now + minute) / 1000))
  return {"later", whole(place - now), used[1], used[2]}
end
redis.call("ZADD", calls, whole(at), name)
redis.call("PEXPIRE", calls, math.ceil((at - now + minute) / 1000) + 1000)
return {"granted", whole(at - now), used[1], used[2]}
