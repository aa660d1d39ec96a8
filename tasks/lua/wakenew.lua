--[[ wakenew: add the task of an order to a queue of asynq, as asynq's own script does it
(v0.26.0, internal/rdb, enqueueCmd), if the preceding call of accept.lua has accepted the order.
An existing task is not changed.

KEYS[1] the queue's pending list    KEYS[2] the task, a hash    KEYS[3] the order's journal
ARGV[1] the task's message          ARGV[2] its ID              ARGV[3] the time in ns
ARGV[4] the nonce of that call

Answers 1 if that call accepted the order, else 0.
]]
if redis.call("HGET", KEYS[3], "nonce") ~= ARGV[4] then return 0 end
if redis.call("EXISTS", KEYS[2]) == 0 then
  redis.call("HSET", KEYS[2], "msg", ARGV[1], "state", "pending", "pending_since", ARGV[3])
  redis.call("LPUSH", KEYS[1], ARGV[2])
end
return 1
