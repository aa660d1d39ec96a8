--[[ dispatch: take orders off the wait queues of an app_code, each with slots of its own.

KEYS[1…3], ARGV[1…5] as of limits.lua
KEYS[4…7] its wait queues, sorted sets: order → ms at which it was accepted. Of orders in doubt: lane
         interactive, lane bulk; of creates: interactive, bulk
KEYS[8] waiting, a sorted set: app_code → ms at which a dispatcher must look at its queues
KEYS[9] due
ARGV[6] app_code                         ARGV[7] how many orders at most
ARGV[8] of these in lane interactive     ARGV[9] in lane bulk: for so many the worker has room
ARGV[10] a name for this dispatch: the slots are named after it
ARGV[11] µs: slots as far ahead as that are given, so that they are not used late
ARGV[12] the same for bulk while there is contention
ARGV[13] µs until the next look at the soonest, without contention
ARGV[14] ms until a dispatched order is due again, if no worker reports on it
ARGV[15] how many calls an order in doubt may need, one after the other
ARGV[16] how many further orders in doubt may go with one that has slots, without any

A queue whose lane has no room holds up no queue of the other lane. While new orders wait,
orders in doubt get half of the room.

An order in doubt gets slots for all of these calls: the first is named as below, the further
ones name:1, name:2, … They are given up one by one for the slots that the later calls need. With
one slot only, its attempt would end after the first call and begin with it again, and many
such orders would never end.

One query asks about many orders, so others in doubt go with it: they join its query, and reserve
slots only for the calls that follow. Their name is "".

Answers {{id, name, wait, further, lane}, …}: these orders have slots, the first in wait µs; lane is 0
for interactive and 1 for bulk. They are due then unless a worker claims them. An order that is not in
due has its result, or its journal is gone: it is dropped from its queue.
]]
local queues, due = KEYS[8], KEYS[9]
local app, most, name, silence = ARGV[6], tonumber(ARGV[7]), ARGV[10], tonumber(ARGV[14])
local room = {[0] = tonumber(ARGV[8]), tonumber(ARGV[9])} -- by lane

local dispatched, next_at, full, stop = {}, nil, false, false
local function take(queue, id) -- the order, unless it is not in due
  redis.call("ZREM", queue, id)
  if not redis.call("ZSCORE", due, id) then return false end
  redis.call("ZADD", due, math.floor(now / 1000) + silence, id)
  return true
end
for nth = 0, 3 do
  local queue, class, lane = KEYS[4 + nth], math.max(0, nth - 1), nth % 2
  local ahead, soonest, n = tonumber(ARGV[11]), tonumber(ARGV[13]), class == 0 and tonumber(ARGV[15]) or 1
  if class == 2 and not uncontended() then ahead, soonest = tonumber(ARGV[12]), 0 end
  local left = room[lane]
  if class == 0 and redis.call("ZCARD", KEYS[6]) + redis.call("ZCARD", KEYS[7]) > 0 then
    left = math.max(0, math.min(math.ceil(left / 2), math.ceil(most / 2) - #dispatched))
  end
  while not stop do
    local id = redis.call("ZRANGE", queue, 0, 0)[1]
    if not id then break end
    local at = earliest(class, n)
    if at - now > ahead then
      local look_at = math.max(at - ahead, now + soonest)
      next_at = math.min(next_at or look_at, look_at)
      -- Where orders in doubt wait for their share only, new ones go on.
      stop = class > 0 or share_of_doubt() <= now + ahead
      break
    elseif #dispatched == most or left == 0 then
      full = true
      break
    else
      if take(queue, id) then
        local call = name .. ":" .. #dispatched
        reserve(class, at, call)
        for further = 1, n - 1 do reserve(class, at, call .. ":" .. further, true) end
        dispatched[#dispatched + 1] = {id, call, whole(at - now), whole(n - 1), lane}
        room[lane], left = room[lane] - 1, left - 1
        local others = class == 0 and math.min(tonumber(ARGV[16]), left, most - #dispatched) or 0
        for _, other in ipairs(others > 0 and redis.call("ZRANGE", queue, 0, others - 1) or {}) do
          if take(queue, other) then
            dispatched[#dispatched + 1] = {other, "", 0, 0, lane}
            room[lane], left = room[lane] - 1, left - 1
          end
        end
      end
    end
  end
end
if full then next_at = now - now % 1000 end -- at once: not in the ms that now is rounded up to
if next_at then
  redis.call("ZADD", queues, whole(next_at / 1000), app)
else
  redis.call("ZREM", queues, app)
end
return dispatched
