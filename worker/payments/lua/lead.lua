--[[ lead: become, or stay, the one who follows the open codes of a merchant.

KEYS[1] follower: the token of the one who does
ARGV[1] token   ARGV[2] ms until another one may, unless this is repeated

Answers 1 if this one follows, and else 0.
]]
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 1
