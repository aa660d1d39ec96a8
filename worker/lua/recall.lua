--[[ recall: have orders taken up now that wait for what their merchant lacked.

KEYS[1] due
ARGV[1] prefix of the journals' keys     ARGV[2] cursor; 0 for the first part of due
ARGV[3] how many orders to look at, about
ARGV[4…] merchants

Answers {cursor, n}: the cursor of the next part, 0 after the last, and how many orders are
due now that were not. An order that is in somebody's hand is left alone.

The journals' names are made here from ids, as in sweep.lua.
]]
local due, prefix = KEYS[1], ARGV[1]
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local wanted = {}
for i = 4, #ARGV do wanted[ARGV[i]] = true end

local part = redis.call("ZSCAN", due, ARGV[2], "COUNT", ARGV[3])
local recalled = 0
for i = 1, #part[2], 2 do
  local id = part[2][i]
  if wanted[string.match(id, "^(.*):")] then
    local h = redis.call("HMGET", prefix .. id, "waits_for", "lease_until")
    local lacks = h[1] == "held" or h[1] == "unknown_merchant"
    if lacks and tonumber(h[2] or 0) <= now then
      recalled = recalled + redis.call("ZADD", due, "XX", "LT", "CH", now, id)
    end
  end
end
return {part[1], recalled}
