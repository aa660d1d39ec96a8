package notify

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// posted returns a whole request on the wire.
func posted(body string) string {
	return fmt.Sprintf("POST /qfpay/notify/default HTTP/1.1\r\nHost: shop\r\nX-QF-SIGN: %s\r\nContent-Length: %d\r\n\r\n%s",
		qfpay.MD5.SignText([]byte(body), agentKey), len(body), body)
}

// Everything has a bound of time, and whoever is slow holds nothing for longer.
func TestServe_IsNotHeldUpByTheSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		p, stop := r.serving(t)
		within := func(what, from, text string, most time.Duration, want string) {
			t.Helper()
			began := time.Now()
			c := p.dial(from)
			go io.WriteString(c, text)
			answer, _ := io.ReadAll(c) // until the other side closes
			if took := time.Since(began); took > most || !strings.Contains(string(answer), want) {
				t.Errorf("%s: after %s: %q", what, took, answer)
			}
			c.Close()
		}
		whole := posted(string(paid()))
		within("half a header", "127.0.0.1:1", whole[:20], headerTimeout, "400 ")
		within("half a body", "127.0.0.1:1", whole[:len(whole)-9], readTimeout, "413 ")
		if got := r.last(); got != "unreadable" {
			t.Error(got)
		}
		within("no request", "203.0.113.7:1", "NONSENSE\r\n\r\n", headerTimeout, "application/problem+json")
		within("nothing more after one", "127.0.0.1:1", whole, idleTimeout, "SUCCESS")
		within("nothing more after a stranger's", "203.0.113.7:1", whole, strangerTimeout, "403 ")
		stop()
	})
}

// A stop waits for what is being written down, and answers it.
func TestServe_AnswersWhatItHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		writing := make(chan struct{})
		r.book.write = func() { close(writing); time.Sleep(3 * time.Second) }
		p, stop := r.serving(t)
		c := p.dial("127.0.0.1:1")
		go io.WriteString(c, posted(string(paid())))
		<-writing
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%+v, %v", answer, err)
		}
		c.Close()
		<-stopped
	})
}
