package qfpay

import (
	"testing"
	"time"
)

func TestPayType_AllSevenComeInTheOrderOfThePage(t *testing.T) {
	want := []PayType{"800101", "801501", "800201", "805801", "800701", "802001", "803701"}
	got := PayTypes()
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	closable := map[PayType]bool{"800101": true, "801501": true, "800201": true}
	for i, p := range got {
		if p != want[i] || !p.Known() || p.Wallet() == "" || p.Closable() != closable[p] {
			t.Errorf("%d: %s known=%v wallet=%q closable=%v", i, p, p.Known(), p.Wallet(), p.Closable())
		}
	}
	for _, p := range append(got, "800108") {
		if want := map[PayType]time.Duration{WeChat: 5 * time.Minute}[p]; p.ClosableAfter() != want {
			t.Errorf("%s is closed from an age of %s on, want %s", p, p.ClosableAfter(), want)
		}
	}
	if p := PayType("800108"); p.Known() || p.Wallet() != "" || p.Closable() {
		t.Error("a CPM pay type is taken for one of MPM")
	}
}
