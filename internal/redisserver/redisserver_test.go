package redisserver

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseInfo_HeadingsAndLinesWithoutANameAreSkipped(t *testing.T) {
	got := ParseInfo("# Server\r\nredis_version:7.0.15\r\n\r\nexecutable:/usr/bin/a:b\r\nbare\r\n:x\n")
	want := map[string]string{"redis_version": "7.0.15", "executable": "/usr/bin/a:b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
