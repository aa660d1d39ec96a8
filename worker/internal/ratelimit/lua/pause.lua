--[[ pause: the gateway answered HTTP 429. No call of this app_code leaves for a while, and
then fewer than before.

KEYS[1…3], ARGV[1…5] as of limits.lua
ARGV[6] what the gateway asked for, µs, or 0
ARGV[7] first pause, µs; doubles with each consecutive 429    ARGV[8] longest pause, µs

Answers µs until calls may leave again. Many workers may report one 429 of many: a report
during a pause does not count again, and makes the pause longer only if the gateway asks for
more. Each 429 that counts lowers the rate factor to seven tenths; it grows back from the
end of the pause on.
]]
local asked, first, longest = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local pause, consecutive = tonumber(state[1] or 0), tonumber(redis.call("HGET", mine, "consecutive_429") or 0)
local counts = now >= pause
if counts then
  -- 429s are consecutive while each comes within a minute of the last pause.
  if now - pause > minute then consecutive = 0 end
  consecutive = consecutive + 1
  factor = math.max(50, factor * 0.7)
  pause = now + math.min(longest, first * 2 ^ (consecutive - 1))
end
pause = math.max(pause, now + asked)
redis.call("HSET", mine, "pause", whole(pause), "paused_at", whole(now), "consecutive_429", consecutive)
if counts then redis.call("HSET", mine, "rate_factor", whole(factor), "factor_at", whole(pause)) end
redis.call("PEXPIRE", mine, math.ceil((pause - now) / 1000) + 900000)
return whole(pause - now)
