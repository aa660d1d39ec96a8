--[[ progress: how far every consumer group of a stream has come. Changes nothing.

KEYS[1] a stream
ARGV[1] the maximal number of groups: each costs two short commands; 0 is no limit

Answers {now, length, {name, pending, unread, count, lag}, …}: now in ms; for each group the ID
of its oldest entry that a consumer has read and not acknowledged, and of the oldest that none
has read, each empty when there is none; how many are not acknowledged; and how many are not
read, -1 when Redis does not know it. Before Redis 7.0 lag is 0.
]]
local stream, most = KEYS[1], tonumber(ARGV[1])
local clock = redis.call("TIME")
local answer = {clock[1] * 1000 + math.floor(clock[2] / 1000), redis.call("XLEN", stream)}
if redis.call("EXISTS", stream) == 0 then return answer end

for n, flat in ipairs(redis.call("XINFO", "GROUPS", stream)) do
  if most > 0 and n > most then break end
  local g = {lag = 0}
  for i = 1, #flat, 2 do g[flat[i]] = flat[i + 1] end
  local pending = redis.call("XPENDING", stream, g.name)[2] or ""
  local unread = redis.call("XRANGE", stream, "(" .. g["last-delivered-id"], "+", "COUNT", 1)[1]
  answer[#answer + 1] = {g.name, pending, unread and unread[1] or "", g.pending, g.lag or -1}
end
return answer
