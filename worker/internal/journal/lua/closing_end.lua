--[[ closing_end: write down how an attempt to close a published order ended.

KEYS[1] the order's journal   KEYS[2] closing, a sorted set
ARGV[1] id of the order       ARGV[2] token of the closing_due that handed it out
ARGV[3] closed: what became of it: closed, paid, cannot_close, unclear; "": it is looked at again
ARGV[4] ms until then

Answers
  {"noted"}   that is in the journal; the result stays as it is
  {"lost"}    another process has the order; nothing was changed
]]
local journal, closing = KEYS[1], KEYS[2]
local id, token, closed, delay = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call("HGET", journal, "close_token") ~= token then return {"lost"} end
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if closed == "" then
  redis.call("HINCRBY", journal, "close_tries", 1)
  redis.call("ZADD", closing, "XX", now + delay, id)
  return {"noted"}
end
redis.call("HSET", journal, "closed", closed, "closed_at", now)
redis.call("HDEL", journal, "close_token", "close_tries")
redis.call("ZREM", closing, id)
return {"noted"}
