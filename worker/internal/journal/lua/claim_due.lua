--[[ claim_due: lease the orders that are due to attempts, the one that is due for longest first,
and hand out the app_codes whose wait queues are due, each to one dispatcher. Comes after
claimable.lua.

KEYS[1] due, a sorted set
KEYS[2] waiting, a sorted set: app_code → ms at which a dispatcher must look at its wait queues
ARGV[1] prefix of the journals' keys    ARGV[2] lease, ms
ARGV[3] token of the call: an order's token is this, ":" and its id
ARGV[4] room in interactive             ARGV[5] room in bulk: as many orders at most are leased
ARGV[6] how many orders to look at, at most
ARGV[7] ms until a damaged order is looked at again
ARGV[8] ms until an app_code is handed out again, if no dispatcher looks at its wait queues
ARGV[9…] merchants whose orders are left to other processes

Answers {ms, {app_code, …}, {{id, lane, claim}, …}, {{id, what}, …}}: ms until the next order or wait
queue is due, 0 when one is due now, -1 when there is none; the app_codes whose wait queues are
due, as many as there is room left for orders; the leased orders, each with claim.lua's answer "ours";
and the damaged orders.

An order whose lane has no room stays due, behind all others, so that it does not hide the orders of the
other lane. An order that is left to other processes stays due as it is, and goes behind only when there
are as many as the script looks at. An order that is early is due at its not_before. A damaged order has no journal, or one that cannot be read, or one that is settled: it
stays in due, so that people see it, and what is wrong with it is answered as a field's name or as
"none", "settled", "reserved".

The script makes the journals' names from ids, since the caller does not know which orders are
due. They carry the same hash tag as KEYS[1], so the script stays in one slot.
]]
local due, waiting = KEYS[1], KEYS[2]
local prefix, ms, token, again = ARGV[1], ARGV[2], ARGV[3], ARGV[7]
local room = {interactive = tonumber(ARGV[4]), bulk = tonumber(ARGV[5])}
local function left() return room.interactive + room.bulk end

local leave = {}
for i = 9, #ARGV do leave[ARGV[i]] = true end

local claimed, damaged, behind, others = {}, {}, {}, {}
for _, id in ipairs(left() > 0 and redis.call("ZRANGE", due, "-inf", now, "BYSCORE", "LIMIT", 0, ARGV[6]) or {}) do
  local journal, left_alone = prefix .. id, leave[id:match("^[^:]*")]
  local fields, why_not
  if not left_alone then fields, why_not = read(journal, "") end
  local lane = fields and fields[3]
  if left_alone then
    others[#others + 1] = id
  elseif not fields and why_not[1] == "busy" then
    redis.call("ZADD", due, now + math.min(why_not[2], ms), id)
  elseif not fields and why_not[1] == "early" then
    redis.call("ZADD", due, now + why_not[2], id)
  elseif not fields then
    redis.call("ZADD", due, now + again, id)
    damaged[#damaged + 1] = {id, why_not[2] or why_not[1]}
  elseif room[lane] == 0 then
    behind[#behind + 1] = id
  else
    room[lane] = room[lane] - 1
    claimed[#claimed + 1] = {id, lane, lease(journal, due, id, token .. ":" .. id, ms, fields)}
  end
  if left() == 0 then break end
end
if #others + #behind >= tonumber(ARGV[6]) then
  for _, id in ipairs(others) do behind[#behind + 1] = id end
end
for i, id in ipairs(behind) do redis.call("ZADD", due, now - #behind + i, id) end -- in the same order

local queues = left() > 0 and redis.call("ZRANGE", waiting, "-inf", now, "BYSCORE", "LIMIT", 0, left()) or {}
for _, app in ipairs(queues) do redis.call("ZADD", waiting, now + ARGV[8], app) end

local next = -1
for _, key in ipairs(KEYS) do
  local first = redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2]
  if first and (next < 0 or first - now < next) then next = math.max(0, first - now) end
end
return {next, queues, claimed, damaged}
