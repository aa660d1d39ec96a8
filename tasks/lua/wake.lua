--[[ wake: add many tasks to a queue of asynq, each as asynq's own script does it (v0.26.0,
internal/rdb, enqueueCmd). An existing task is not changed.

KEYS[1] the queue's pending list    KEYS[2…] the tasks, hashes
ARGV[1…] three for each task, in the sequence of the tasks: its message, its ID, and the time in ns

Answers how many were new.
]]
local ids, here = {}, {}
local all_new = redis.call("EXISTS", unpack(KEYS, 2)) == 0 -- the usual case, checked for all at once
for i = 1, #KEYS - 1 do
  local task, at = KEYS[i + 1], 3 * i - 2
  if not here[task] and (all_new or redis.call("EXISTS", task) == 0) then
    here[task] = true
    redis.call("HSET", task, "msg", ARGV[at], "state", "pending", "pending_since", ARGV[at + 2])
    ids[#ids + 1] = ARGV[at + 1]
  end
end
if #ids > 0 then redis.call("LPUSH", KEYS[1], unpack(ids)) end
return #ids
