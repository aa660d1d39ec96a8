--[[ settle: give an order its result and publish it, both or neither.

KEYS[1] the order's journal   KEYS[2] due   KEYS[3] the result stream
ARGV[1] id of the order       ARGV[2] token       ARGV[3] number
ARGV[4] outcome               ARGV[5] ms to keep the journal from now on
ARGV[6…] field, value, …      the entry; the id of an order that was re-opened gets "#2", "#3" … behind it

Who may: "created" whoever holds the QR code of the current number, for whatever
his lease, unless a close may have left (VOIDING) or nothing was sent; any other
outcome the holder alone.

Answers
  {"published", entry}  the order has its result, under this entry of the stream;
                        a repetition by the same token gets the same answer
  {"already", outcome}  it had its result before
  {"lost", state}       not allowed: nothing was changed
  {"none"}              there is no such order
]]
local journal, due, stream = KEYS[1], KEYS[2], KEYS[3]
local id, token, number, outcome, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local h = redis.call("HMGET", journal, "state", "number", "outcome", "settled_by", "entry", "retries")
local state = h[1]
if not state then return {"none"} end
if state == "DONE" then
  if h[4] == token then return {"published", h[5]} end
  return {"already", h[3]}
end
if h[2] ~= number then return {"lost", state} end
if outcome == "created" then
  if state ~= "SENT" then return {"lost", state} end
elseif not holder(journal, token) then
  return {"lost", state}
end

local retries = tonumber(h[6] or 0)
for i = 6, #ARGV, 2 do
  if ARGV[i] == "id" and retries > 0 then ARGV[i + 1] = id .. "#" .. retries + 1 end
end
local entry = redis.call("XADD", stream, "*", unpack(ARGV, 6))
redis.call("HSET", journal, "state", "DONE", "outcome", outcome, "entry", entry, "settled_by", token, "settled_at", now,
  "settled_from", state)
redis.call("HDEL", journal, "token", "lease_until")
redis.call("ZREM", due, id)
redis.call("PEXPIRE", journal, keep)
return {"published", entry}
