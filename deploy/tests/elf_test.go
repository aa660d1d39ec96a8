package deploy

import (
	"debug/elf"
	"io"
	"testing"
)

// interpreter returns the dynamic linker of a binary, or "" if it is static.
func interpreter(t *testing.T, path string) string {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		name, err := io.ReadAll(p.Open())
		if err != nil {
			t.Fatal(err)
		}
		return string(name)
	}
	return ""
}
