package main

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
)

// files is a print of the files that the merchants are read from. It says whether they
// are the same, and nothing of what is in them.
type files [sha256.Size]byte

// watch looks at the files that the merchants are read from.
type watch struct {
	config GatewayConfig
	text   files    // print of the merchants file
	keys   []string // the files that it names
}

// look reads the files. One that cannot be read has a print as well.
func (w *watch) look() files {
	h := sha256.New()
	if w.config.ClientKeyFile != "" {
		printOf(h, w.config.ClientKeyFile)
	}
	if w.config.MerchantsFile != "" {
		text := sha256.New()
		printOf(text, w.config.MerchantsFile)
		if now := files(text.Sum(nil)); now != w.text {
			w.text, w.keys = now, w.config.keyFiles()
		}
		h.Write(w.text[:])
		for _, path := range w.keys {
			printOf(h, path)
		}
	}
	return files(h.Sum(nil))
}

// printOf adds one file to a print; of a huge one, which is the wrong one, the beginning.
func printOf(h hash.Hash, path string) {
	n := int64(-1)
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		n, err = io.Copy(h, io.LimitReader(f, 16<<20))
	}
	fmt.Fprintf(h, "\n%q %d %t\n", path, n, err == nil)
}

// keyFiles names the key files of the merchants file, as far as it can be read.
func (c GatewayConfig) keyFiles() []string {
	text, err := os.ReadFile(c.MerchantsFile)
	if err != nil {
		return nil
	}
	r := fileReader{path: c.MerchantsFile, found: &checks{}}
	var paths []string
	for _, e := range r.entries(text) {
		if e.ClientKeyFile != "" {
			paths = append(paths, beside(c.MerchantsFile, e.ClientKeyFile))
		}
	}
	return paths
}
