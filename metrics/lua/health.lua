--[[ health: the state of the server that has the shard, as it reports it.

KEYS[1] any key of the shard: it selects the server

Answers
  {seconds, microseconds, text}   its clock, and INFO of memory, persistence and stats
  {seconds, microseconds, ""}     it does not answer INFO, like some managed servers
]]
local text = ""
for _, section in ipairs({"memory", "persistence", "stats"}) do
  local answer = redis.pcall("INFO", section)
  if type(answer) == "string" then text = text .. answer .. "\r\n" end
end
local clock = redis.call("TIME")
return {clock[1], clock[2], text}
