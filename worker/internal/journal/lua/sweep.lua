--[[ sweep: hand out the orders that are due, and the app_codes whose wait queues are due, each to
one sweeper.

KEYS[1] due, a sorted set
KEYS[2] waiting, a sorted set: app_code → ms at which a dispatcher must look at its wait queues
ARGV[1] prefix of the journals' keys    ARGV[2] how many at most
ARGV[3] ms until an order that is not claimed is handed out again; doubles each time
ARGV[4] ms, the longest such pause
ARGV[5] ms until an app_code is handed out again, if no dispatcher looks at its wait queues

Answers {ms, {app_code, …}, {{id, lane, order, attempts}, …}}: ms until the next order or wait queue
is due, 0 when one is due now, -1 when there is none; the app_codes whose wait queues are due;
and the orders that are due. lane is empty for an order whose journal is gone or is no hash: it stays
in due, so that people see it, and is handed out rarely. One damaged journal must not stop the
orders behind it, so nothing that a journal holds can make the script fail.

The script makes the journals' names from ids, since the caller does not know which orders are
due. They carry the same hash tag as KEYS[1], so the script stays in one slot.
]]
local due = KEYS[1]
local prefix, most, pause, longest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local found = {}
for _, id in ipairs(redis.call("ZRANGE", due, "-inf", now, "BYSCORE", "LIMIT", 0, most)) do
  local journal = prefix .. id
  local h = redis.pcall("HMGET", journal, "lane", "order", "attempts", "sweeps")
  local again = longest
  if h[1] then
    local sweeps = tonumber(h[4] or 0)
    if not sweeps or not (sweeps >= 0 and sweeps <= 1000) then sweeps = 0 end -- no number; "nan" is one to Lua
    again = math.min(longest, pause * 2 ^ sweeps)
    redis.call("HSET", journal, "sweeps", sweeps + 1)
  end
  redis.call("ZADD", due, now + again, id)
  found[#found + 1] = {id, h[1] or "", h[2] or "", h[3] or "0"}
end
local waiting = redis.call("ZRANGE", KEYS[2], "-inf", now, "BYSCORE")
for _, app in ipairs(waiting) do redis.call("ZADD", KEYS[2], now + ARGV[5], app) end

local next = -1
for _, key in ipairs(KEYS) do
  local first = redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2]
  if first and (next < 0 or first - now < next) then next = math.max(0, first - now) end
end
return {next, waiting, found}
