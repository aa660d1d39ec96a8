// A search of one goroutine, for which the race detector has no use and costs eight times as much: make
// test runs it without.

//go:build !race

package worker

import (
	"flag"
	"testing"
	"time"
)

var modelBudget = flag.Int("model.budget", 3, "how many things may go wrong in one life of an order in the model")

// mostWorlds keeps a search within a machine's memory: some 150 bytes each.
const mostWorlds = 60_000_000

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
