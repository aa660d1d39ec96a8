--[[ take: a place for one call within both limits of an app_code.

KEYS[1] its calls, a sorted set: call → µs at which it leaves or left
KEYS[2] its line, a sorted set: times handed out beyond the horizon, to come back at
KEYS[3] its state, a hash: pause (no call before, µs)
ARGV[1] a name for the call
ARGV[2] horizon, µs: a place further off is not taken, only shown
ARGV[3] calls a second, 0 for any number   ARGV[4] that window, µs, guard included
ARGV[5] calls a minute, 0 for any number   ARGV[6] that window, µs, guard included
ARGV[7] gap, µs: the least time between two calls

Answers
  {"granted", wait, second, minute}   the place is taken; leave in wait µs
  {"later", wait, second, minute}     nothing is taken; come back in wait µs: by then those who were
                                      sent away before have had their turn, and a place is free
second and minute: how many calls are in the windows now.
]]
local calls, line, mine = KEYS[1], KEYS[2], KEYS[3]
local name, horizon = ARGV[1], tonumber(ARGV[2])
local per_second, second = tonumber(ARGV[3]), tonumber(ARGV[4])
local per_minute, minute = tonumber(ARGV[5]), tonumber(ARGV[6])
local gap = tonumber(ARGV[7])
local clock = redis.call("TIME")
local now = clock[1] * 1000000 + clock[2]
local function whole(x) return string.format("%.0f", x) end -- tostring would round to 14 digits

redis.call("ZREMRANGEBYSCORE", calls, "-inf", "(" .. whole(now - minute))
redis.call("ZREMRANGEBYSCORE", line, "-inf", "(" .. whole(now))
local used_second = redis.call("ZCOUNT", calls, whole(now - second), whole(now))
local used_minute = redis.call("ZCOUNT", calls, "-inf", whole(now))

-- nth returns the nth newest of the calls and, before them, the first `ahead` of the line.
local function nth(n, ahead)
  local key, rank = line, ahead - n
  if n > ahead then key, rank = calls, -(n - ahead) end
  local entry = redis.call("ZRANGE", key, rank, rank, "WITHSCORES")
  return tonumber(entry[2])
end

-- The earliest place behind all calls and `ahead` in the line: after the pause,
-- behind the last by the gap, and when the call that fills a window has left it.
local function earliest(ahead)
  local at = math.max(now, tonumber(redis.call("HGET", mine, "pause") or 0))
  local function after(n, pause)
    local t = nth(n, ahead)
    if t then at = math.max(at, t + pause) end
  end
  after(1, gap)
  if per_second > 0 then after(per_second, second) end
  if per_minute > 0 then after(per_minute, minute) end
  return at
end

local at = earliest(0)
if at - now <= horizon then
  redis.call("ZADD", calls, whole(at), name)
  redis.call("PEXPIRE", calls, math.ceil((at - now + minute) / 1000) + 1000)
  return {"granted", whole(at - now), used_second, used_minute}
end

-- Everybody who has to come back gets a time of his own, as if all before him in
-- the line had called: no herd, and no place in the log for somebody absent.
at = earliest(redis.call("ZCARD", line))
redis.call("ZADD", line, whole(at), name)
local longest = math.max(per_second, per_minute) + 1 -- more of the line is never looked at
redis.call("ZREMRANGEBYRANK", line, 0, -longest - 1)
redis.call("PEXPIRE", line, math.ceil((at - now) / 1000) + 1000)
return {"later", whole(at - now), used_second, used_minute}
