--[[ reserve: reserve a slot for one call within both limits of an app_code.

KEYS[1…3], ARGV[1…5] as of limits.lua
KEYS[4…7] its wait queues (dispatch.lua), sorted sets: order → ms at which it was accepted
ARGV[6] class of the call                ARGV[7] a name for the call
ARGV[8] µs: a slot further off is not reserved, only reported
ARGV[9] the same for bulk while there is contention, and for new orders while some in doubt are queued: nearer
         than those are dispatched
ARGV[10] 1 for a continuation, a call that follows on another one of its attempt: it goes before
         the wait queue, because the attempt would have to begin again otherwise
ARGV[11] the name of a slot (dispatch.lua) that is given up for this one, or ""

Answers
  {"granted", wait, second, minute}   the slot is reserved; the call may leave in wait µs
  {"later", wait, second, minute}     nothing is reserved: the slot is too far off, or orders of this
                                      class or a more urgent one are queued; wait is how long
                                      the wait queue takes at the full rate, µs. New orders go
                                      behind those in doubt only while the minute is nearly full, or the next moment is.
                                      Queries about published codes queue behind nothing: their
                                      share is small
second and minute: how many calls are in the windows now.
]]
local class, name, max_wait, continuation, instead = tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8]), ARGV[10] == "1", ARGV[11]
if class == 2 and not uncontended() then max_wait = tonumber(ARGV[9]) end
local used_second = redis.call("ZCOUNT", calls, whole(now - second), whole(now))
local used_minute = redis.call("ZCOUNT", calls, "-inf", whole(now))

local given_up = instead ~= "" -- its share was not paid for yet
if given_up then redis.call("ZREM", calls, instead) end
-- New orders go behind those in doubt only where the minute has too little room for both, or all slots are
-- taken that are near enough for these to be dispatched.
local waiting = class < 3 and redis.call("ZCARD", KEYS[4]) + redis.call("ZCARD", KEYS[5]) or 0
local function too_full_for_both() return earliest(0, burst) > now + longest or earliest(0) > now + tonumber(ARGV[9]) end
if waiting > 0 and class > 0 and not (share_of_doubt() <= now and too_full_for_both()) then waiting = 0 end
for queue = 2, class < 3 and class + 1 or -1 do waiting = waiting + redis.call("ZCARD", KEYS[4 + queue]) end
local at = earliest(class, 1, given_up)
if (continuation or waiting == 0) and at - now <= max_wait then
  reserve(class, at, name)
  return {"granted", whole(at - now), used_second, used_minute}
end
local each = per_minute > 0 and minute / per_minute or second / per_second
return {"later", whole(at - now + waiting * each), used_second, used_minute}
