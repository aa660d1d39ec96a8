--[[ pause: the gateway answered HTTP 429; no call of this app_code leaves for a while,
and then fewer of them.

KEYS[1…3], ARGV[1…5] as of limits.lua
ARGV[6] what the gateway asked for, µs, or 0
ARGV[7] first pause, µs; doubles with each strike    ARGV[8] longest pause, µs

Answers µs until calls may leave again. Many workers may report one 429 of many:
reports during a pause make it no longer, and are no strikes, unless the gateway
itself asks for more. With each strike the share of the limits that is used falls to
seven tenths; it grows back from the end of the pause on.
]]
local asked, first, longest = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local pause, strikes = tonumber(state[1] or 0), tonumber(redis.call("HGET", mine, "strikes") or 0)
local struck = now >= pause
if struck then
  -- A strike counts as one in a row while it falls within a minute of the last pause.
  if now - pause > minute then strikes = 0 end
  strikes = strikes + 1
  share = math.max(50, share * 0.7)
  pause = now + math.min(longest, first * 2 ^ (strikes - 1))
end
pause = math.max(pause, now + asked)
redis.call("HSET", mine, "pause", whole(pause), "strikes", strikes)
if struck then redis.call("HSET", mine, "share", whole(share), "share_at", whole(pause)) end
redis.call("PEXPIRE", mine, math.ceil((pause - now) / 1000) + 900000)
return whole(pause - now)
