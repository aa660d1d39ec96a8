package build

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestVersion_LinkerFlagsGoFirst(t *testing.T) {
	recorded := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for _, tt := range []struct {
		name            string
		version, commit string
		recorded        *debug.BuildInfo
		want            string
	}{
		{"nothing known", "", "", nil, "devel (commit unknown, "},
		{"go run", "", "", recorded("(devel)"), "devel (commit unknown, "},
		{"go build in a clone", "", "", recorded("(devel)", revision, changed), "devel (commit 0123456789ab+changes, "},
		{"go install of a version", "", "", recorded("v1.2.3"), "v1.2.3 (commit unknown, "},
		{"a release", "v1.2.4", "fedcba9", recorded("v1.2.3", revision), "v1.2.4 (commit fedcba9, "},
	} {
		if got := from(tt.version, tt.commit, tt.recorded).String(); got != tt.want+runtime.Version()+")" {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
