package tasks

import (
	"bytes"
	"encoding/json"
	"iter"
	"unicode/utf8"
)

const jsonSpace = " \t\r\n"

// members goes through a JSON object that is known to be valid: its keys, in quotes, and
// their values, as they stand there. encoding/json's own way to see a key that is there
// twice, token by token, takes four times as long, and every order comes through here.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for rest := object[1:]; ; {
			rest = bytes.TrimLeft(rest, jsonSpace+",")
			if rest[0] == '}' {
				return
			}
			end := stringEnd(rest)
			key := rest[:end]
			rest = bytes.TrimLeft(rest[end:], jsonSpace+":")
			end = valueEnd(rest)
			if !yield(key, rest[:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}

// stringEnd returns where the JSON string at the beginning of b ends.
func stringEnd(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueEnd returns where the JSON value at the beginning of b ends.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch b[i] {
		case '"':
			i += stringEnd(b[i:]) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // of the object around a number, true, false or null
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
}

// unquote returns the text of a JSON string that is known to be valid. Bytes that are no
// UTF-8 become U+FFFD, as encoding/json has it.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) {
		return string(quoted[1 : len(quoted)-1])
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		panic(err) // it is valid
	}
	return text
}
