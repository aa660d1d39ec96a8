package qfpay

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

var errTooLong = errors.New("the answer is too long")

// readBody reads at most limit bytes of an answer. The client asks for "identity"; something on
// the way may compress all the same, and say so or not, or name an encoding that it did not use.
// So the content decides: gzip is recognized by its beginning, and a deflate that cannot be read
// is left as it is. The error keeps what was received.
func readBody(r io.Reader, h http.Header, limit int64) ([]byte, error) {
	body, err := readAtMost(r, limit)
	if err != nil {
		return body, err
	}
	var plain io.Reader
	switch encoding := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))); {
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		plain, err = gzip.NewReader(bytes.NewReader(body))
	case encoding != "deflate" || bytes.HasPrefix(body, []byte("{")):
		return body, nil
	default:
		if plain, err = zlib.NewReader(bytes.NewReader(body)); err != nil {
			plain, err = flate.NewReader(bytes.NewReader(body)), nil // as old servers do
		}
	}
	if err != nil {
		return body, &encodingError{err}
	}
	decoded, err := readAtMost(plain, limit)
	if err != nil && !errors.Is(err, errTooLong) {
		return body, &encodingError{err}
	}
	return decoded, err
}

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errTooLong
	}
	return body, err
}

// encodingError says that an answer came whole, and could not be decompressed.
type encodingError struct{ err error }

func (e *encodingError) Error() string {
	return fmt.Sprintf("the answer is compressed, and damaged: %v", e.err)
}
