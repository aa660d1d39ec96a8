package simulator

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPython_AClientWrittenFromTheDocumentsAloneIsUnderstood runs testdata/client.py, which is
// independent of the Go code, against the gateway on a port.
func TestPython_AClientWrittenFromTheDocumentsAloneIsUnderstood(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is missing; install it with: apt-get install python3")
	}
	g := New(Config{})
	server, _ := onPort(t, g)
	cmd := exec.CommandContext(t.Context(), python, "testdata/client.py", server.Listener.Addr().String(), SampleAppCode, SampleKey)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var want []string
	for _, dialect := range []string{"md5", "sha256"} {
		step := func(endpoint, more string) {
			want = append(want, `{"dialect": "`+dialect+`", "endpoint": "`+endpoint+
				`", "status": 200, "respcd": "0000", "signature": true, "same_bytes": true, `+more+`}`)
		}
		step("payment", `"echo": true, "qrcode": "weixin://wxpay/bizpayurl"`)
		step("query", `"rows": 1, "row": "1143", "goods_name": "\u6e2c\u8a66\u5546\u54c1"`)
		step("close", `"orig": true`)
		step("query", `"rows": 1, "row": "1142", "cancel": "2"`)
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); diff != "" {
		t.Error(diff)
	}
	for _, o := range g.Orders() {
		if o.GoodsName != "測試商品" || o.State != Closed {
			t.Errorf("%+v", o)
		}
	}
}
