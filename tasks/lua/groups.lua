--[[ groups: how far every consumer group of a stream has come. Changes nothing.

KEYS[1] a stream

Answers {now, length, {name, pending, unread}, …}: now in ms; for each group its oldest entry
that was given to a consumer and is not acknowledged, and its oldest that was given to none,
each empty when there is none.
]]
local stream = KEYS[1]
local clock = redis.call("TIME")
local answer = {clock[1] * 1000 + math.floor(clock[2] / 1000), redis.call("XLEN", stream)}
if redis.call("EXISTS", stream) == 0 then return answer end

for _, flat in ipairs(redis.call("XINFO", "GROUPS", stream)) do
  local g = {}
  for i = 1, #flat, 2 do g[flat[i]] = flat[i + 1] end
  local pending = redis.call("XPENDING", stream, g.name)[2] or ""
  local unread = redis.call("XRANGE", stream, "(" .. g["last-delivered-id"], "+", "COUNT", 1)[1]
  answer[#answer + 1] = {g.name, pending, unread and unread[1] or ""}
end
return answer
