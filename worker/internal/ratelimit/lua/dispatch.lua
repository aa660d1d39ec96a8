--[[ dispatch: take orders off the wait queues of an app_code, each with slots of its own.

KEYS[1…3], ARGV[1…5] as of limits.lua
KEYS[4…6] its wait queues, one for each class, sorted sets: order → ms at which it was accepted
KEYS[7] waiting, a sorted set: app_code → ms at which a dispatcher must look at its queues
KEYS[8] due
ARGV[6] app_code                         ARGV[7] how many orders at most; of those in doubt half, while others wait
ARGV[8] a name for this dispatch: the slots are named after it
ARGV[9] µs: slots as far ahead as that are given, so that they are not used late
ARGV[10] the same for bulk while there is contention
ARGV[11] µs until the next look at the soonest, without contention
ARGV[12] ms until a dispatched order is due again, if no worker reports on it
ARGV[13] how many calls an order in doubt may need, one after the other
ARGV[14] how many further orders in doubt may go with one that has slots, without any

An order in doubt gets slots for all of these calls: the first is named as below, the further
ones name:1, name:2, … They are given up one by one for the slots that the later calls need. With
one slot only, its attempt would end after the first call and begin with it again, and many
such orders would never end.

One query asks about many orders, so others in doubt go with it: they join its query, and reserve
slots only for the calls that follow. Their name is "".

Answers {{id, name, wait, further}, …}: these orders have slots, the first in wait µs, and are due
then unless a worker claims them. An order that is not in due has its result, or its journal
is gone: it is dropped from its queue.
]]
local queues, due = KEYS[7], KEYS[8]
local app, most, name, silence = ARGV[6], tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[12])

local dispatched, next_at, full = {}, nil, false
local function take(queue, id) -- the order, unless it is not in due
  redis.call("ZREM", queue, id)
  if not redis.call("ZSCORE", due, id) then return false end
  redis.call("ZADD", due, math.floor(now / 1000) + silence, id)
  return true
end
local function look_at(at) next_at = math.min(next_at or at, at) end
for class = 0, 2 do
  local queue, blocked, room = KEYS[4 + class], full, most
  if class == 0 and redis.call("ZCARD", KEYS[5]) + redis.call("ZCARD", KEYS[6]) > 0 then room = math.ceil(most / 2) end
  local ahead, soonest, n = tonumber(ARGV[9]), tonumber(ARGV[11]), class == 0 and tonumber(ARGV[13]) or 1
  if class == 2 and not uncontended() then ahead, soonest = tonumber(ARGV[10]), 0 end
  while not blocked do
    local id = redis.call("ZRANGE", queue, 0, 0)[1]
    if not id then break end
    local at = earliest(class, n)
    if at - now > ahead then
      look_at(math.max(at - ahead, now + soonest))
      blocked = true
      -- Where orders in doubt wait for their share only, new ones go on.
      full = class > 0 or share_of_doubt() <= now + ahead
    elseif #dispatched >= room then
      look_at(now)
      blocked = true
    else
      if take(queue, id) then
        local call = name .. ":" .. #dispatched
        reserve(class, at, call)
        for further = 1, n - 1 do reserve(class, at, call .. ":" .. further) end
        dispatched[#dispatched + 1] = {id, call, whole(at - now), whole(n - 1)}
        local others = class == 0 and math.min(tonumber(ARGV[14]), room - #dispatched) or 0
        for _, other in ipairs(others > 0 and redis.call("ZRANGE", queue, 0, others - 1) or {}) do
          if take(queue, other) then dispatched[#dispatched + 1] = {other, "", 0, 0} end
        end
      end
    end
  end
end
if next_at then
  redis.call("ZADD", queues, whole(next_at / 1000), app)
else
  redis.call("ZREM", queues, app)
end
return dispatched
