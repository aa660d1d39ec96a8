--[[ claim: lease an order to one attempt.

KEYS[1] the order's journal, a hash     KEYS[2] due, a sorted set
ARGV[1] id of the order                 ARGV[2] token of the attempt
ARGV[3] lease, ms

Answers
  {"none"}            there is no such order
  {"settled"}         it has its result: nothing is left to do
  {"reserved"}        the number belongs to another order, which was issued again under it
  {"busy", ms}        another attempt has the lease for so long
  {"ours", now, state, attempts, reissues, creates_sent, not_found, accepted_at, first_sent_at,
   sent_at, deferred_for, order, traceparent, fingerprint, reopens, verdict, answer, no_answer}
                      the attempt has the lease; now is in ms, and what the journal does not
                      have is ""
The order is due when the lease ends: a sweep finds it then, unless the attempt was faster.

When Redis's clock was set back, a lease may seem to have begun later than now: it ends earlier by
that. A create that seems to have left later than now counts as sent now, so that it is given all the
time it may take to land.
]]
local journal, due = KEYS[1], KEYS[2]
local id, token, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local h = redis.call("HMGET", journal, "state", "token", "lease_until", "attempts", "reissues", "creates_sent",
  "first_attempt_at", "not_found", "accepted_at", "first_sent_at", "sent_at", "deferred_for", "order", "traceparent",
  "fingerprint", "reopens", "verdict", "answer", "no_answer", "leased_at")
local state, holder, lease_until, leased_at = h[1], h[2], tonumber(h[3] or 0), tonumber(h[20] or 0)
if not state then return {"none"} end
if state == "DONE" then return {"settled"} end
if state == "RESERVED" then return {"reserved"} end
if leased_at > now then
  lease_until = lease_until - (leased_at - now)
  redis.call("HSET", journal, "leased_at", now, "lease_until", lease_until)
end
if holder ~= token and lease_until > now then return {"busy", lease_until - now} end
if tonumber(h[11] or 0) > now then
  h[11] = now
  redis.call("HSET", journal, "sent_at", now)
end

local attempts, reissues, creates_sent = tonumber(h[4] or 0), h[5] or "0", h[6] or "0"
if holder ~= token then attempts = attempts + 1 end -- not for a repeated claim
redis.call("HSET", journal, "token", token, "leased_at", now, "lease_until", now + lease, "sweeps", 0, "attempts", attempts,
  "reissues", reissues, "creates_sent", creates_sent, "first_attempt_at", h[7] or now)
redis.call("ZADD", due, now + lease, id)

local answer = {"ours", now, state, attempts, reissues, creates_sent}
for i = 8, 19 do answer[#answer + 1] = h[i] or "" end
return answer
