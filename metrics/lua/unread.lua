--[[ unread: how long the oldest entry has waited that a group has not read, or has
read and not acknowledged.

KEYS[1] the result stream
ARGV[1] most groups to look at: each costs two short commands

Answers
  {group, ms, …}   ms is 0 when the group has everything
  {}               there are no groups, or no stream
]]
local stream, most = KEYS[1], tonumber(ARGV[1])
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function age(id) -- the first half of an entry's ID is the millisecond it was added
  return id and math.max(0, now - tonumber(string.match(id, "^%d+"))) or 0
end

local groups = redis.pcall("XINFO", "GROUPS", stream)
local answer = {}
if groups.err then return answer end
for i = 1, math.min(#groups, most) do
  local group = {}
  for j = 1, #groups[i], 2 do group[groups[i][j]] = groups[i][j + 1] end
  local next_entry = redis.call("XRANGE", stream, "(" .. group["last-delivered-id"], "+", "COUNT", 1)[1]
  local pending = redis.call("XPENDING", stream, group.name)
  local oldest = age(next_entry and next_entry[1])
  if pending[1] > 0 then oldest = math.max(oldest, age(pending[2])) end
  answer[#answer + 1] = group.name
  answer[#answer + 1] = oldest
end
return answer
