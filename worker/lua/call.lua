--[[ call: call up orders from the lines of an app_code, each with a place of its own.

KEYS[1…3], ARGV[1…5] as of limits.lua
KEYS[4…6] its lines, one for each class, sorted sets: order → ms at which it was accepted
KEYS[7] lines, a sorted set: app_code → ms at which somebody must look at its lines
KEYS[8] due
ARGV[6] app_code                         ARGV[7] how many orders at most
ARGV[8] a name for this call: the places are named after it
ARGV[9] µs: places as far ahead as that are given out, so that they are not used late
ARGV[10] the same for bulk when it is not calm
ARGV[11] µs until somebody looks again at the soonest, while it is calm
ARGV[12] ms until somebody looks after an order that was called up and is not heard of
ARGV[13] how many calls an order in doubt may have to make, one after the other

Orders in doubt are given places for all of these calls: the first, named as below, and spare
ones, named name:1, name:2, … to be given up for the place that a later call asks for. An
attempt that came no further than its first call would begin again with it each time; and
of many such attempts none would ever end.

Answers {{id, wait, name, spares}, …}: these orders have places, in wait µs, and are due then
unless somebody takes them in hand. An order that is not in due has its result, or its
journal is gone: it is dropped from its line.
]]
local lines, due = KEYS[7], KEYS[8]
local app, most, name, look = ARGV[6], tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[12])

local called, next_at = {}, nil
for class = 0, 2 do
  local line = KEYS[4 + class]
  local ahead, soonest, n = tonumber(ARGV[9]), tonumber(ARGV[11]), class == 0 and tonumber(ARGV[13]) or 1
  if class == 2 and not calm() then ahead, soonest = tonumber(ARGV[10]), 0 end
  while not next_at do
    local id = redis.call("ZRANGE", line, 0, 0)[1]
    if not id then break end
    local at = earliest(class, n)
    if at - now > ahead then
      next_at = math.max(at - ahead, now + soonest)
    elseif #called == most then
      next_at = now
    else
      redis.call("ZREM", line, id)
      if redis.call("ZSCORE", due, id) then
        local call = name .. ":" .. #called
        grant(class, at, call)
        for spare = 1, n - 1 do grant(class, at, call .. ":" .. spare) end
        redis.call("ZADD", due, math.floor(now / 1000) + look, id)
        called[#called + 1] = {id, whole(at - now), call, whole(n - 1)}
      end
    end
  end
end
if next_at then
  redis.call("ZADD", lines, whole(next_at / 1000), app)
else
  redis.call("ZREM", lines, app)
end
return called
