package simulator

import (
	"bytes"
	"compress/gzip"
)

// The forms in which a signed answer travels. The signature is that of the answer itself: what
// stands between QFPay and its client knows nothing of it.

func emptyBody(a answer) answer {
	a.body = ""
	return a
}

func gzipped(a answer) answer { return encodedAs("gzip")(gzippedUnsaid(a)) }

func gzippedUnsaid(a answer) answer {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(a.body)) // a bytes.Buffer takes everything
	_ = w.Close()
	a.body = b.String()
	return a
}

func encodedAs(encoding string) func(answer) answer {
	return func(a answer) answer {
		a.encoding = encoding
		return a
	}
}

func withBOM(a answer) answer {
	a.body = "\ufeff" + a.body
	return a
}
