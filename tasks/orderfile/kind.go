package orderfile

import (
	"bytes"
	"fmt"
	"strings"
)

// foreign are files that cannot be read as orders, by their first bytes.
var foreign = []struct{ start, what string }{
	{"PK\x03\x04", "an Excel workbook (or another ZIP file): save it as CSV UTF-8"},
	{"PK\x05\x06", "an empty ZIP file"},
	{"\xD0\xCF\x11\xE0", "an Excel workbook: save it as CSV UTF-8"},
	{"\x1F\x8B", "compressed with gzip: unpack it, for example with gunzip -c FILE | qfpay-worker enqueue -"},
	{"BZh", "compressed with bzip2: unpack it first"},
	{"\xFD7zXZ", "compressed with xz: unpack it first"},
	{"\x28\xB5\x2F\xFD", "compressed with zstd: unpack it first"},
	{"7z\xBC\xAF", "a 7z archive: unpack it first"},
	{"%PDF", "a PDF: export the orders as CSV UTF-8"},
	{"{\\rtf", "an RTF document: export the orders as CSV UTF-8"},
	{"<?xml", "XML: export the orders as CSV UTF-8"},
	{"<", "a web page (HTML): export the orders as CSV UTF-8"},
	{"MIME-Version:", "a web page (MHT): export the orders as CSV UTF-8"},
	{"ID;P", "a SYLK workbook: save it as CSV UTF-8"},
	{"\x89PNG", "a picture: export the orders as CSV UTF-8"},
	{"\xFF\xD8\xFF", "a picture: export the orders as CSV UTF-8"},
}

// foreignText says that a file is no text whose first line has control characters in it.
func foreignText(line []byte) string {
	control := func(c rune) bool { return c < ' ' && !strings.ContainsRune("\x00\t\r\n", c) }
	if bytes.IndexFunc(bytes.Trim(line, padding), control) < 0 {
		return ""
	}
	return fmt.Sprintf("this is no text, it begins with %q: export the orders as CSV UTF-8", shorten(string(line[:min(len(line), 16)])))
}

// foreignKind says what a file is that begins with start, if it is no file of orders. more
// returns the first n bytes of the file; it is asked only when the first one is suspicious, so
// that a pipe is not read further than a line.
func foreignKind(first byte, more func(n int) []byte) string {
	for _, f := range foreign {
		if f.start[0] == first && bytes.HasPrefix(bytes.ToLower(more(len(f.start))), []byte(strings.ToLower(f.start))) {
			return "this is " + f.what
		}
	}
	return ""
}
