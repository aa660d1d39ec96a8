--[[ take: a place for one call within both limits of an app_code.

KEYS[1…3], ARGV[1…5] as of limits.lua
KEYS[4…6] its lines, one for each class, sorted sets: orders put down until they are called
ARGV[6] class of the call                ARGV[7] a name for the call
ARGV[8] horizon, µs: a place further off is not taken, only shown
ARGV[9] the horizon of bulk when it is not calm
ARGV[10] 1 for a call that follows on another one of its attempt: it goes before the line, as
         what the attempt has learnt so far is lost if it has to wait there
ARGV[11] the name of a spare place (call.lua) that is given up for this one, or ""

Answers
  {"granted", wait, second, minute}   the place is taken; leave in wait µs
  {"later", wait, second, minute}     nothing is taken: the horizon is too near, or others of this
                                      class or a more urgent one wait in line; wait is how long the line
                                      is, µs, if all of it goes at the full rate
second and minute: how many calls are in the windows now.
]]
local class, name, horizon, follows, spare = tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8]), ARGV[10] == "1", ARGV[11]
if class == 2 and not calm() then horizon = tonumber(ARGV[9]) end
local used_second = redis.call("ZCOUNT", calls, whole(now - second), whole(now))
local used_minute = redis.call("ZCOUNT", calls, "-inf", whole(now))

if spare ~= "" then redis.call("ZREM", calls, spare) end
local waiting = 0
for line = 0, class do waiting = waiting + redis.call("ZCARD", KEYS[4 + line]) end
local at = earliest(class)
if (follows or waiting == 0) and at - now <= horizon then
  grant(class, at, name)
  return {"granted", whole(at - now), used_second, used_minute}
end
local each = per_minute > 0 and minute / per_minute or second / per_second
return {"later", whole(at - now + waiting * each), used_second, used_minute}
