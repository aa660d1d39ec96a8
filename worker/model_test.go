package worker

import (
	"flag"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

var modelBudget = flag.Int("model.budget", 3, "how many things may go wrong in one life of an order in the model")

// mostWorlds keeps a search within a machine's memory: some 150 bytes each.
const mostWorlds = 60_000_000

var settings = []setting{
	{name: "an order that can be closed", payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true},
	{name: "one that cannot", payType: qfpay.FPS, lost: Auto, trusted: true, unique: true},
	{name: "one that cannot, and is reissued", payType: qfpay.FPS, lost: Reissue, trusted: true, unique: true},
	{name: "doubt is left to a person", payType: qfpay.WeChat, lost: LeaveIt, trusted: true, unique: true},
	{name: "a repetition is answered with the QR code", payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true, sameQR: true},
	{name: "a refusal of the configuration is untrue, and no query is", payType: qfpay.FPS, lost: Auto, trusted: true, unique: true, untrue: true},
	{name: "no query is ever answered", payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true, deaf: true},
	{name: "the number is somebody else's", payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true, before: others},
	{name: "the number stands since before", payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true, before: earlier},
	{name: "numbers are neither trusted nor unique", payType: qfpay.WeChat, lost: Auto},
	{name: "numbers are unique, and not trusted", payType: qfpay.WeChat, lost: Auto, unique: true},
}

// One order, two attempts, the project's own policy: whatever goes wrong, in
// whatever order, and however often within the budget, no promise is broken.
func TestModel_BreaksNoPromiseWhateverGoesWrong(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			began := time.Now()
			found, err := newModel(s).explore(uint8(*modelBudget), mostWorlds)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d worlds, %d steps, %s", len(found.worlds), len(found.next), time.Since(began).Round(time.Millisecond))
		})
	}
}
