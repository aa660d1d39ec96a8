package simulator

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

func TestJSON_TheTextIsAsPythonWritesIt(t *testing.T) {
	o := object{{"a", "测试"}, {"b", 0}, {"c", nil}, {"d", []object{{{"e", "\U0001F600\"\\/\n\x7f\x01"}}, {}}}}
	// What json.dumps of Python 3.11 prints for the same.
	want := `{"a": "\u6d4b\u8bd5", "b": 0, "c": null, "d": [{"e": "\ud83d\ude00\"\\/\n\u007f\u0001"}, {}]}`
	if got := o.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJSON_EveryNameAndValueIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, value := rapid.String().Draw(t, "name"), rapid.String().Draw(t, "value")
		var got map[string]string
		if err := json.Unmarshal([]byte(object{{name, value}}.String()), &got); err != nil {
			t.Fatal(err)
		}
		if got[name] != value {
			t.Fatalf("%q became %q", value, got[name])
		}
	})
}
