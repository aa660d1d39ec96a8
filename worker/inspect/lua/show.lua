--[[ show: one order as it is at this moment. Changes nothing.

KEYS[1] the order's journal   KEYS[2] due
ARGV[1] id of the order

Answers
  {"none"}                               there is no such order
  {"order", now, due, field, value, …}   now and due in ms, due empty for an order that is
                                         not in it; and its journal
]]
local journal, due, id = KEYS[1], KEYS[2], ARGV[1]
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local fields = redis.call("HGETALL", journal)
if #fields == 0 then return {"none"} end
local answer = {"order", now, redis.call("ZSCORE", due, id) or ""}
for _, v in ipairs(fields) do answer[#answer + 1] = v end
return answer
