// Package build says what a binary was built from.
package build

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set with -ldflags "-X …/cmd/internal/build.version=v1.2.3 -X ….commit=abc123".
// Without them, what the go command recorded is used.
var version, commit string

// Info is what a binary was built from.
type Info struct {
	Version   string // v1.2.3, or devel
	Commit    string // of git, or unknown; "+changes" follows when files differed from it
	GoVersion string
}

// String writes it on one line: version, commit, Go version.
func (i Info) String() string {
	return fmt.Sprintf("%s (commit %s, %s)", i.Version, i.Commit, i.GoVersion)
}

// Read returns what this binary was built from.
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
