package worker

import (
	"embed"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	claimScript       = script("claim")
	intentScript      = script("lease", "intent")
	retractScript     = script("lease", "retract")
	closeIntentScript = script("lease", "close_intent")
	reissueScript     = script("lease", "reissue")
	settleScript      = script("lease", "settle")
	releaseScript     = script("lease", "release")
	sweepScript       = script("sweep")
	reopenScript      = script("reopen")
	showScript        = script("show")
	auditScript       = script("audit")
	forgetScript      = script("forget")
)

// script joins embedded files into one script.
func script(names ...string) *redis.Script {
	var src []byte
	for _, name := range names {
		b, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // the files are compiled in
		}
		src = append(src, b...)
	}
	return redis.NewScript(string(src))
}
