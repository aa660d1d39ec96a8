--[[ merchants: tell all processes which merchants this one has, and which unknown ones it has met an
order of; answer which merchants any running worker has, and what is paused by hand.

KEYS[1] merchants, a hash: merchant → ms until which a running worker has it; gone when no worker runs
KEYS[2] unknown, a sorted set: merchant → ms until which orders wait for it and no running worker has it
KEYS[3] paused, a hash: merchant or merchant:pay_type → since when and by whom
KEYS[4] quotas, a hash: merchant → what QFPay allows it, as the worker that told it last has it; for
        people, who want to know how long orders take. It may lack a merchant, which an older worker has told
ARGV[1] ms until a merchant of this process must have been told again
ARGV[2] ms until an unknown merchant is forgotten      ARGV[3] how many unknown merchants are kept at most
ARGV[4] how many merchants this process has            ARGV[5] how many it no longer has
ARGV[6…] these, those, and then the unknown ones that it has met since its last call; behind them the
        quotas of these

Answers {{merchant, …}, {merchant or merchant:pay_type, …}}: those that a running worker has, and those
that are paused. A time further ahead than it can be set is from
before Redis's clock went back: its worker, if it runs, sets it again, as does another process that has
a merchant which this one no longer has.
]]
local merchants, unknown, quotas = KEYS[1], KEYS[2], KEYS[4]
local valid, keep, most, has, gone = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- All before the first write, in case a key has another type.
local told, count, pauses = redis.call("HGETALL", merchants), redis.call("ZCARD", unknown), redis.call("HGETALL", KEYS[3])
redis.call("HGET", quotas, "")

local function forget(name)
  redis.call("HDEL", merchants, name)
  redis.call("HDEL", quotas, name)
end

local running = {}
for i = 1, #told, 2 do
  local till = tonumber(told[i + 1]) or 0
  if till > now and till <= now + valid then running[told[i]] = true else forget(told[i]) end
end
for first = 6, 5 + has, 1000 do -- unpack takes no more than some thousands
  local valids, allowed = {}, {}
  for i = first, math.min(first + 999, 5 + has) do
    valids[#valids + 1], valids[#valids + 2] = ARGV[i], now + valid
    allowed[#allowed + 1], allowed[#allowed + 2] = ARGV[i], ARGV[#ARGV - 5 - has + i]
    running[ARGV[i]] = true
  end
  redis.call("HSET", merchants, unpack(valids))
  redis.call("HSET", quotas, unpack(allowed))
end
for i = 6 + has, 5 + has + gone do
  forget(ARGV[i])
  running[ARGV[i]] = nil
end
redis.call("PEXPIRE", merchants, valid)
redis.call("PEXPIRE", quotas, valid)

for i = 6 + has + gone, #ARGV - has do
  if count < most then count = count + redis.call("ZADD", unknown, now + keep, ARGV[i]) end
end
redis.call("ZREMRANGEBYSCORE", unknown, "-inf", now)
redis.call("ZREMRANGEBYSCORE", unknown, "(" .. now + keep, "+inf")
for _, name in ipairs(redis.call("ZRANGE", unknown, 0, -1)) do
  if running[name] then redis.call("ZREM", unknown, name) end
end

local names = {}
for name in pairs(running) do names[#names + 1] = name end
local paused = {}
for i = 1, #pauses, 2 do paused[#paused + 1] = pauses[i] end
return {names, paused}
