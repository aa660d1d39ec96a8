--[[ payment_event: write what became of a published QR code into its journal and the stream, both or
neither.

KEYS[1] the order's journal   KEYS[2] open, a sorted set: order → ms of publication
KEYS[3] the payment stream
ARGV[1] id of the order   ARGV[2] event   ARGV[3] the number under which QFPay has it
ARGV[4…] field, value, …  the entry

paid, expired and closed are final: one of them comes, once. refunded and paid_twice come after paid,
each once.

Answers
  {"published", entry}  the event is in the stream, under this entry
  {"known", payment}    it was published before, or the final event is another one, this
  {"early", payment}    refunded and paid_twice: the code is not known to be paid
  {"other", issued_as}  the order's code was published under this number
  {"none"}              the order has no published code that is followed
Only "published" changes the journal and the stream. A code that is not open leaves the open ones.
]]
local journal, open, stream = KEYS[1], KEYS[2], KEYS[3]
local id, event = ARGV[1], ARGV[2]

local h = redis.call("HMGET", journal, "payment", "issued_as", "refunded", "paid_twice")
local payment, final = h[1], event == "paid" or event == "expired" or event == "closed"
if payment ~= "open" then redis.call("ZREM", open, id) end
if not payment then return {"none"} end
if h[2] ~= ARGV[3] then return {"other", h[2]} end
if final then
  if payment ~= "open" then return {"known", payment} end
elseif payment ~= "paid" then
  return {payment == "open" and "early" or "known", payment}
elseif event == "refunded" and h[3] or event == "paid_twice" and h[4] then
  return {"known", payment}
end

local entry = redis.call("XADD", stream, "*", unpack(ARGV, 4))
if not final then
  redis.call("HSET", journal, event, entry)
  return {"published", entry}
end
redis.call("HSET", journal, "payment", event, "payment_entry", entry)
for i = 4, #ARGV, 2 do
  if ARGV[i] == "paid_at" then redis.call("HSET", journal, "paid_at", ARGV[i + 1]) end
  if ARGV[i] == "syssn" then redis.call("HSET", journal, "paid_as", ARGV[i + 1]) end
end
redis.call("ZREM", open, id)
return {"published", entry}
