// Package build provides the version and commit that a binary was built from.
package build

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set with -ldflags "-X …/cmd/internal/build.version=v1.2.3 -X ….commit=abc123".
// Without them, the values that the go command recorded are used.
var version, commit string

// Info is the origin of a binary.
type Info struct {
	Version   string // v1.2.3, or devel
	Commit    string // of git, or unknown; ends in "+changes" if files were changed
	GoVersion string
}

// String returns version, commit and Go version on one line.
func (i Info) String() string {
	return fmt.Sprintf("%s (commit %s, %s)", i.Version, i.Commit, i.GoVersion)
}

// Read returns the origin of this binary.
func Read() Info {
	recorded, _ := debug.ReadBuildInfo()
	return from(version, commit, recorded)
}

func from(version, commit string, recorded *debug.BuildInfo) Info {
	i := Info{Version: version, Commit: commit, GoVersion: runtime.Version()}
	if recorded != nil {
		if v := recorded.Main.Version; i.Version == "" && v != "(devel)" {
			i.Version = v
		}
		if i.Commit == "" {
			i.Commit = revision(recorded.Settings)
		}
	}
	if i.Version == "" {
		i.Version = "devel"
	}
	if i.Commit == "" {
		i.Commit = "unknown"
	}
	return i
}

func revision(settings []debug.BuildSetting) string {
	var commit, changes string
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				changes = "+changes"
			}
		}
	}
	if commit == "" {
		return ""
	}
	return commit + changes
}
