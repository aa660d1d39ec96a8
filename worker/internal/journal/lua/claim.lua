--[[ claim: lease an order to one attempt. Comes after claimable.lua.

KEYS[1] the order's journal, a hash     KEYS[2] due, a sorted set
ARGV[1] id of the order                 ARGV[2] token of the attempt
ARGV[3] lease, ms

Answers
  {"none"}            there is no such order
  {"settled"}         it has its result: nothing is left to do
  {"reserved"}        the number belongs to another order, which was issued again under it
  {"busy", ms}        another attempt has the lease for so long
  {"early", ms}       its not_before is so far ahead; it is due then at the latest
  {"damaged", what}   what cannot be read: a field, or the whole journal
  {"ours", now, state, attempts, reissues, creates_sent, not_found, accepted_at, first_sent_at,
   sent_at, deferred_for, order, traceparent, fingerprint, reopens, verdict, answer, no_answer}
                      the attempt has the lease; now is in ms, and what the journal does not
                      have is ""
The order is due when the lease ends: a dispatcher claims it then, unless the attempt was faster.
]]
local fields, why_not = read(KEYS[1], ARGV[2])
if not fields then
  if why_not[1] == "early" then redis.call("ZADD", KEYS[2], "XX", "LT", now + why_not[2], ARGV[1]) end
  return why_not
end
return lease(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], fields)
