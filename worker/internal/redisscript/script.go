// Package redisscript loads Lua scripts from files, reads their answers, and sends the scripts of
// many goroutines in one pipeline.
//
// It knows no script: what a script does, and what it answers, is in the header of its file. It
// never changes a script, and never runs one twice by itself.
//
// Start reading at [Load] and [Autopipeline].
package redisscript

import (
	"embed"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Load joins the files lua/NAME.lua into one script. It panics when one is missing, since the
// files are compiled in.
func Load(files embed.FS, names ...string) *redis.Script {
	var src []byte
	for _, name := range names {
		b, err := files.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err)
		}
		src = append(src, b...)
	}
	return redis.NewScript(string(src))
}

// Texts turns the strings and integers of a script's answer into strings.
func Texts(answer []any) []string {
	words := make([]string, len(answer))
	for i, v := range answer {
		if word, is := v.(string); is {
			words[i] = word
		} else {
			words[i] = fmt.Sprint(v)
		}
	}
	return words
}
