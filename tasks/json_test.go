package tasks

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// members reads an object as encoding/json does.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, ` { "a" : "b\\"" , "c":[1,{"d":"]}"}],"e":null }`, `{"a":{"b":[]},"a":2}`,
		`{"\u0061\n":"\ud83d\ude00","b":-1.5e3,"c":true}`, "{\"a\":\"\xff\"}", `{"a":{},"b":[] ,"":""}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want map[string]json.RawMessage
		if len(b) == 0 || b[0] != '{' || json.Unmarshal(b, &want) != nil {
			return
		}
		got := map[string]json.RawMessage{}
		for key, value := range members(b) {
			got[unquote(key)] = value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-encoding/json +members):\n%s", diff)
		}
	})
}
