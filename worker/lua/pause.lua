--[[ pause: the gateway answered HTTP 429; no call of this app_code leaves for a while.

KEYS[1] its state, a hash: pause (no call before, µs), strikes (429s in a row)
ARGV[1] what the gateway asked for, µs, or 0
ARGV[2] first pause, µs; doubles with each strike    ARGV[3] longest pause, µs

Answers µs until calls may leave again. Many workers may report one 429 of many:
reports during a pause make it no longer, and are no strikes, unless the gateway
itself asks for more.
]]
local mine = KEYS[1]
local asked, first, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call("TIME")
local now = clock[1] * 1000000 + clock[2]

local h = redis.call("HMGET", mine, "pause", "strikes")
local pause, strikes = tonumber(h[1] or 0), tonumber(h[2] or 0)
if now >= pause then
  -- A strike counts as one in a row while it falls within a minute of the last pause.
  if now - pause > 60000000 then strikes = 0 end
  strikes = strikes + 1
  pause = now + math.min(longest, first * 2 ^ (strikes - 1))
end
pause = math.max(pause, now + asked)
redis.call("HSET", mine, "pause", string.format("%.0f", pause), "strikes", strikes)
redis.call("PEXPIRE", mine, math.ceil((pause - now) / 1000) + 120000)
return string.format("%.0f", pause - now)
