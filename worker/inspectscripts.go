package worker

import (
	"embed"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

//go:embed lua/*.lua
var inspectLua embed.FS

var (
	showScript   = redisscript.Load(inspectLua, "show")
	reopenScript = redisscript.Load(inspectLua, "reopen")
	auditScript  = redisscript.Load(inspectLua, "audit")
)
