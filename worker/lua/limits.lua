--[[ limits: put before the scripts that give out places for the calls of one app_code.

KEYS[1] its calls, a sorted set: call → µs at which it leaves or left
KEYS[2] those of them that were interactive, the same
KEYS[3] its state, a hash: pause (no call before, µs); bulk (µs of the latest place given to bulk);
        share, share_at (see below); strikes
ARGV[1] calls a second, 0 for any number   ARGV[2] that window, µs, guard included
ARGV[3] calls a minute, 0 for any number   ARGV[4] that window, µs, guard included
ARGV[5] gap, µs: the least time between two calls

Classes of calls: 0 enquiries and closes, 1 creates of interactive orders, 2 of bulk.
Gives now, in µs on Redis's clock; calm(), earliest(class, n) and grant(class, at, name).

Share is how much of its limits, per mille, the gateway is believed to grant: less than
all of it after it answered HTTP 429 (pause.lua). It grows back by itself, by 150 of the
1000 in each of the longer windows.
]]
local calls, interactive, mine = KEYS[1], KEYS[2], KEYS[3]
local second, minute, gap = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call("TIME")
local now = clock[1] * 1000000 + clock[2]
local function whole(x) return string.format("%.0f", x) end -- tostring would round to 14 digits

redis.call("ZREMRANGEBYSCORE", calls, "-inf", "(" .. whole(now - minute))
redis.call("ZREMRANGEBYSCORE", interactive, "-inf", "(" .. whole(now - minute))
local state = redis.call("HMGET", mine, "pause", "bulk", "share", "share_at")
local share = 1000
if state[3] then
  share = math.min(1000, tonumber(state[3]) + math.max(0, now - tonumber(state[4])) * 150 / minute)
end
local function limit(n) return n == 0 and 0 or math.max(1, math.floor(n * share / 1000)) end
local per_second, per_minute = limit(tonumber(ARGV[1])), limit(tonumber(ARGV[3]))

-- Bulk may hurry while nobody else wants anything and the gateway takes what it said.
local function calm() return share == 1000 and redis.call("ZCARD", interactive) == 0 end

-- What bulk leaves free of the minute, so that an interactive call finds a place at once.
local function kept() return calm() and 0 or math.min(3, math.floor(per_minute / 20)) end

-- How many interactive calls come, by the µs, as far as the last minute shows, and a few more.
local function wanted()
  local first = redis.call("ZRANGE", interactive, 0, 0, "WITHSCORES")[2]
  if not first then return 0 end
  return 1.2 * redis.call("ZCARD", interactive) / math.max(now - first, minute / 12)
end

-- Bulk spreads what is left of the minute over the time until more of it comes free: all of
-- it when it is not calm, the last fifth always. Otherwise whoever comes next would
-- find the minute used up, and wait for most of another. The rate is the highest that
-- nowhere within the window asks for more than is free by then, less what interactive calls
-- will want; and a little more, as what was late once could never be made up for.
local function spread()
  local last = tonumber(state[2] or 0)
  if per_minute == 0 or last == 0 then return 0 end
  local most = per_minute - kept()
  local function free(at) return most - redis.call("ZCOUNT", calls, "(" .. whole(at - minute), "+inf") end
  if calm() and free(now) > per_minute / 5 then return 0 end
  local rate = math.huge
  for part = 1, 8 do
    local ahead = minute * part / 8
    rate = math.min(rate, free(now + ahead) / ahead)
  end
  if rate <= 0 then return 0 end -- with nothing free, the window decides
  return last + 1 / (1.1 * math.max(rate - wanted(), rate / 20))
end

-- The earliest place: behind the pause, and when the call that fills a window has left it.
-- Bulk goes behind the last call, by the gap. Who is more urgent may go before calls of bulk
-- that have their places already, between any two that are twice the gap apart: that the
-- n-th newest of all has left the window by then keeps every window, those of these calls too.
-- With n, the minute has room for so many calls there, or for none but these.
local function earliest(class, n)
  local at = math.max(now, tonumber(state[1] or 0))
  local function behind(n, pause)
    local nth = redis.call("ZRANGE", calls, -n, -n, "WITHSCORES")
    if nth[2] then at = math.max(at, tonumber(nth[2]) + pause) end
  end
  if per_second > 0 then behind(per_second, second) end
  local most = class == 2 and per_minute - kept() or per_minute
  if per_minute > 0 then behind(math.max(1, most - (n or 1) + 1), minute) end
  if class == 2 then
    behind(1, gap)
    return math.max(at, spread())
  end
  while true do
    local near = redis.call("ZRANGE", calls, "(" .. whole(at - gap), "(" .. whole(at + gap), "BYSCORE", "LIMIT", 0, 1, "WITHSCORES")
    if not near[2] then return at end
    at = tonumber(near[2]) + gap
  end
end

local function grant(class, at, name)
  local function log(key)
    redis.call("ZADD", key, whole(at), name)
    redis.call("PEXPIRE", key, math.ceil((at - now + minute) / 1000) + 1000)
  end
  log(calls)
  if class == 1 then log(interactive) end
  if class == 2 then
    state[2] = whole(at)
    redis.call("HSET", mine, "bulk", state[2])
    redis.call("PEXPIRE", mine, 900000)
  end
end
