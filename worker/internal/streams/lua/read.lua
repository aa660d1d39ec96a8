--[[ read: give a consumer of the group entries of the request stream, no more than fit into its memory.

KEYS[1] the request stream
ARGV[1] the group             ARGV[2] the consumer
ARGV[3] which entries: "fresh", those that the group has given to no consumer; or ms: those that any
        consumer has had for so long
ARGV[4] of the latter: where to go on, as XAUTOCLAIM has it
ARGV[5] how many entries at most
ARGV[6] how many bytes at most, and one entry more
ARGV[7] bytes of an entry at most: of a longer one, only the beginning of its order is given
ARGV[8] bytes of that beginning

Answers {from, {id, deliveries, size, {field, value, …}}, …}: where to go on, "0-0" when all entries
were looked at; size is in bytes. An entry that was deleted has no fields. deliveries counts this one,
and is 0 for "fresh".

Redis holds what one command reads in memory a second time, so each reads one entry or, after short
ones, a few.
]]
local stream, group, consumer, which, from = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local count, most, longest, beginning = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local idle = tonumber(which)

local answer, bytes, step = {}, 0, 1

local function give(entry)
  local id, fields, size = entry[1], entry[2] or {}, 0
  for _, text in ipairs(fields) do size = size + #text end
  if size > longest then
    local order = fields[2]
    for i = 1, #fields, 2 do if fields[i] == "order" then order = fields[i + 1] end end
    fields, bytes, step = {"order", string.sub(order, 1, beginning)}, bytes + beginning, 0.5
  else
    bytes = bytes + size
  end
  local pending = idle and redis.call("XPENDING", stream, group, id, id, 1)[1]
  answer[#answer + 1] = {id, pending and pending[4] or 0, size, fields}
end

for _ = 1, count do
  local found, n = {}, math.min(step, count - #answer)
  if idle then
    local claimed = redis.call("XAUTOCLAIM", stream, group, consumer, idle, from, "COUNT", 1)
    from, found = claimed[1], claimed[2]
  else
    local read = redis.call("XREADGROUP", "GROUP", group, consumer, "COUNT", n, "STREAMS", stream, ">")
    found = read and read[1][2] or {}
  end
  for _, entry in ipairs(found) do
    if entry then give(entry) end
  end
  if #answer >= count or bytes >= most or (idle and from == "0-0") or (not idle and #found < n) then break end
  step = math.min(8, 2 * step)
end
table.insert(answer, 1, from)
return answer
