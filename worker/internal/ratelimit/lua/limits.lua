--[[ limits: prepended to the scripts that give slots to the calls of one app_code.

KEYS[1] its calls, a sorted set: call → µs at which it leaves or left
KEYS[2] those of them that are interactive, the same
KEYS[3] its state, a hash: pause (no call before, µs), paused_at (when that was written); bulk (µs
        of the latest slot of bulk); rate_factor, factor_at (see below); consecutive_429; doubt,
        created, asked (see share_of_doubt)
ARGV[1] calls a second, 0 for any number   ARGV[2] that window, µs, guard included
ARGV[3] calls a minute, 0 for any number   ARGV[4] that window, µs, guard included
ARGV[5] least time between two calls, µs

Classes of calls: 0 queries and closes, 1 creates of interactive orders, 2 creates of bulk, 3 queries
about published codes.
Defines now, in µs on Redis's clock; uncontended(), earliest(class, n), reserve(class, at, name).

The rate factor, per mille, is the share of its limits that the gateway is believed to grant.
HTTP 429 lowers it (pause.lua). It grows back by 150 of the 1000 in each of the longer
windows: additive increase, multiplicative decrease.
]]
local calls, interactive, mine = KEYS[1], KEYS[2], KEYS[3]
local second, minute, spacing = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call("TIME")
local now = clock[1] * 1000000 + clock[2]
local function whole(x) return string.format("%.0f", x) end -- tostring would round to 14 digits
local state = redis.call("HMGET", mine, "pause", "bulk", "rate_factor", "factor_at", "paused_at", "doubt", "created", "follow", "asked")

-- A clock that was set back, or that of a replica which has taken over, leaves times that cannot be:
-- no slot is reserved further ahead than MaxWait (1 s) and the guard, and no pause has begun later
-- than now. The clock went back by their excess at least, so all times move back by that. No call
-- moves further than the clock did, so each stays in every window that it was in.
local function mend_clock()
  local furthest = now + 1250000
  local newest = redis.call("ZRANGE", calls, -1, -1, "WITHSCORES")[2]
  local back = math.max((newest or 0) - furthest, (state[2] or 0) - furthest, (state[5] or 0) - now)
  if back <= 0 then return end
  for _, key in ipairs({calls, interactive}) do
    local all = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
    for i = 1, #all, 2 do redis.call("ZADD", key, whole(all[i + 1] - back), all[i]) end
  end
  for i, field in pairs({[1] = "pause", [2] = "bulk", [4] = "factor_at", [5] = "paused_at", [6] = "doubt", [7] = "created", [8] = "follow", [9] = "asked"}) do
    if state[i] then
      state[i] = whole(state[i] - back)
      redis.call("HSET", mine, field, state[i])
    end
  end
end
mend_clock()

redis.call("ZREMRANGEBYSCORE", calls, "-inf", "(" .. whole(now - minute))
redis.call("ZREMRANGEBYSCORE", interactive, "-inf", "(" .. whole(now - minute))
local factor = 1000
if state[3] then
  factor = math.min(1000, tonumber(state[3]) + math.max(0, now - tonumber(state[4])) * 150 / minute)
end
local function limit(n) return n == 0 and 0 or math.max(1, math.floor(n * factor / 1000)) end
local per_second, per_minute = limit(tonumber(ARGV[1])), limit(tonumber(ARGV[3]))

-- Bulk goes at the full rate while no interactive call was made within the minute and the
-- gateway grants its whole limits.
local function uncontended() return factor == 1000 and redis.call("ZCARD", interactive) == 0 end

-- The calls of the minute that bulk leaves free, so that an interactive call finds a slot at once.
local function headroom() return uncontended() and 0 or math.min(3, math.floor(per_minute / 20)) end

-- The rate of interactive calls to expect, per µs: that of the last minute, and a fifth more.
local function interactive_rate()
  local first = redis.call("ZRANGE", interactive, 0, 0, "WITHSCORES")[2]
  if not first then return 0 end
  return 1.2 * redis.call("ZCARD", interactive) / math.max(now - first, minute / 12)
end

-- The rate of calls about orders in doubt to expect, per µs: their share, half of the minute, until those
-- so far are paid for (see share_of_doubt).
local function paid_by_doubt() return tonumber(redis.call("HGET", mine, "doubt") or 0) end
local function doubt_rate() return paid_by_doubt() > now and per_minute / 2 / minute or 0 end

-- The earliest slot of bulk so that its calls are spread over the minute: all of them while
-- there is contention, or doubt, and the last fifth always. Without it, the minute would be used up
-- when an interactive call comes, which would wait for most of another minute. The rate is
-- the highest that, at eight moments of the window, needs no more calls than are free by then,
-- less what interactive calls and those about orders in doubt will need. It is a tenth higher than
-- that, because a slot that was missed is never made up for.
local function paced()
  local last = tonumber(state[2] or 0)
  if per_minute == 0 or last == 0 then return 0 end
  local most = per_minute - headroom()
  local function free(at) return most - redis.call("ZCOUNT", calls, "(" .. whole(at - minute), "+inf") end
  if uncontended() and doubt_rate() == 0 and free(now) > per_minute / 5 then return 0 end
  local rate = math.huge
  for part = 1, 8 do
    local ahead = minute * part / 8
    rate = math.min(rate, free(now + ahead) / ahead)
  end
  if rate <= 0 then return 0 end -- nothing is free: the window decides
  return last + 1 / (1.1 * math.max(rate - interactive_rate() - doubt_rate(), rate / 20))
end

-- The earliest slot of calls about orders in doubt, so that they leave the rest of the minute to
-- new orders: half of it when there was a new order within the minute, and else a fifth, for those
-- that may come. Doubt is the moment at which the calls so far are paid for, each with a gap. A
-- few may go at once. However low the limits are, and however many calls were made before, one
-- may go 2 s after the last.
local burst, longest = 8, minute / 30
local function contended() return tonumber(redis.call("HGET", mine, "created") or 0) > now - minute end
local function gap()
  if per_minute == 0 then return 0 end
  return (contended() and 2 or 1.25) * minute / per_minute
end
-- New orders leave room for calls about orders in doubt, also for those that may come: until the oldest
-- calls leave the minute, one in 2 s, or a fifth of the minute where that is less. A burst of new orders
-- takes the rest at once, and as time passes the room that was not needed. Behind it, calls about orders
-- in doubt that are closer together than that do not use up the room of the next ones.
local function room_for_doubt()
  if per_minute == 0 then return 0 end
  local each, at = math.max(longest, 5 * minute / per_minute), 0
  local free = per_minute - redis.call("ZCARD", calls)
  local first = math.max(0, -free)
  local oldest = redis.call("ZRANGE", calls, first, first + math.floor(minute / each), "WITHSCORES")
  for i = 1, #oldest / 2 do
    at = math.max(at, oldest[2 * i] + minute - each * (math.max(0, free) + i - 1))
  end
  return at
end
local function share_of_doubt()
  return math.min(paid_by_doubt() - burst * gap(), now + longest)
end
local function pay()
  local paid = math.max(paid_by_doubt(), now)
  redis.call("HSET", mine, "doubt", whole(math.min(paid + gap(), now + longest + burst * gap())))
  redis.call("PEXPIRE", mine, 900000)
end

-- The earliest slot of queries about published codes: they have a tenth of the limits, half of that
-- while orders in doubt or interactive ones wait, and always a call a minute. Follow is the moment at
-- which those so far are paid for, as above; two may go at once.
local function gap_of_follow()
  local each = math.max(per_minute > 0 and minute / per_minute or 0, per_second > 0 and second / per_second or 0)
  local waiting = redis.call("ZCARD", KEYS[4]) + redis.call("ZCARD", KEYS[5]) + redis.call("ZCARD", KEYS[6]) > 0
  return math.min(minute, (waiting and 20 or 10) * each)
end
local function share_of_follow()
  return tonumber(redis.call("HGET", mine, "follow") or 0) - gap_of_follow()
end
local function pay_for_follow(at)
  local paid = math.max(tonumber(redis.call("HGET", mine, "follow") or 0), at)
  redis.call("HSET", mine, "follow", whole(math.min(paid, now + 2 * minute) + gap_of_follow()))
  redis.call("PEXPIRE", mine, 900000)
end

-- The earliest slot: after the pause, and after the calls that fill a window have left it.
-- With n, the minute has room for n calls there.
--
-- Calls about orders in doubt keep to their share, unless they are paid for already. Bulk goes
-- behind the last call of bulk. Else a call may go between two calls that are already reserved,
-- where these are twice the spacing apart. No window gets too many calls
-- by that: the limit-th newest of ALL calls, reserved ones included, has left the window before
-- the slot, so every window that holds the slot holds fewer than limit other calls.
local function earliest(class, n, paid)
  local at = math.max(now, tonumber(state[1] or 0))
  local function behind(n, pause)
    local nth = redis.call("ZRANGE", calls, -n, -n, "WITHSCORES")
    if nth[2] then at = math.max(at, tonumber(nth[2]) + pause) end
  end
  if per_second > 0 then behind(per_second, second) end
  local most = class >= 2 and per_minute - headroom() or per_minute
  if per_minute > 0 then behind(math.max(1, most - (n or 1) + 1), minute) end
  if class == 0 and not paid then
    local latest = tonumber(redis.call("HGET", mine, "asked") or 0)
    at = math.max(at, share_of_doubt(), contended() and math.min(room_for_doubt(), latest + longest) or 0)
  end
  if class == 1 or class == 2 then at = math.max(at, room_for_doubt()) end
  if class == 2 then at = math.max(at, tonumber(state[2] or 0) + spacing, paced()) end
  if class == 3 then at = math.max(at, share_of_follow()) end
  while true do
    local near = redis.call("ZRANGE", calls, "(" .. whole(at - spacing), "(" .. whole(at + spacing), "BYSCORE", "LIMIT", 0, 1, "WITHSCORES")
    if not near[2] then return at end
    at = tonumber(near[2]) + spacing
  end
end

local function reserve(class, at, name, paid)
  local function log(key)
    redis.call("ZADD", key, whole(at), name)
    redis.call("PEXPIRE", key, math.ceil((at - now + minute) / 1000) + 1000)
  end
  log(calls)
  if class == 1 then log(interactive) end
  if class == 0 then
    if not paid then pay() end
    redis.call("HSET", mine, "asked", whole(at))
    return
  end
  if class == 3 then
    pay_for_follow(at)
    return
  end
  redis.call("HSET", mine, "created", whole(at))
  if class == 2 then
    state[2] = whole(at)
    redis.call("HSET", mine, "bulk", state[2])
  end
  redis.call("PEXPIRE", mine, 900000)
end
