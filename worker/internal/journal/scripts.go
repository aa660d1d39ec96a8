package journal

import (
	"embed"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	claimScript       = redisscript.Load(luaFiles, "claimable", "claim")
	claimDueScript    = redisscript.Load(luaFiles, "claimable", "claim_due")
	intentScript      = redisscript.Load(luaFiles, "lease", "intent")
	retractScript     = redisscript.Load(luaFiles, "lease", "retract")
	closeIntentScript = redisscript.Load(luaFiles, "lease", "close_intent")
	reissueScript     = redisscript.Load(luaFiles, "lease", "reissue")
	answeredScript    = redisscript.Load(luaFiles, "lease", "answered")
	settleScript      = redisscript.Load(luaFiles, "lease", "batch", "settle")
	releaseScript     = redisscript.Load(luaFiles, "lease", "release")
	putBackScript     = redisscript.Load(luaFiles, "claimable", "put_back")
	setAsideScript    = redisscript.Load(luaFiles, "set_aside")
	clockScript       = redisscript.Load(luaFiles, "clock")
	passedScript      = redisscript.Load(luaFiles, "passed")
	merchantsScript   = redisscript.Load(luaFiles, "merchants")
)
