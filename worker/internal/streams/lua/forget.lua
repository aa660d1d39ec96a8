--[[ forget: remove the consumers of a group that have ended and have nothing left to
acknowledge. Entries that a consumer has left would be lost with it, so the check and the
removal are one script.

KEYS[1] a stream
ARGV[1] the group    ARGV[2] ms: a consumer that has not read for so long has ended
ARGV[3] a consumer that says of itself that it has ended, or ""

Answers how many were removed.
]]
local stream, group, idle, ended = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local removed = 0
for _, flat in ipairs(redis.call("XINFO", "CONSUMERS", stream, group)) do
  local c = {}
  for i = 1, #flat, 2 do c[flat[i]] = flat[i + 1] end
  if c.pending == 0 and (c.name == ended or c.idle > idle) then
    redis.call("XGROUP", "DELCONSUMER", stream, group, c.name)
    removed = removed + 1
  end
end
return removed
