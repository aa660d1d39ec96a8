package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// private serves a request that shows the token, if not too many are served already.
// Who does not show it takes nobody's place.
func (s *server) private(next http.HandlerFunc) http.HandlerFunc {
	limited := s.requests.limit(next)
	return func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Authorization")
		switch {
		case s.authorized(given):
			limited(w, r)
		case given == "":
			w.Header().Set("WWW-Authenticate", `Bearer realm="qfpay-worker"`)
			answerProblem(w, problem{Status: http.StatusUnauthorized, Detail: "send the token: Authorization: Bearer …"})
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="qfpay-worker", error="invalid_token"`)
			answerProblem(w, problem{Status: http.StatusUnauthorized, Detail: "the token is not the right one"})
		}
	}
}

// authorized compares in constant time.
func (s *server) authorized(given string) bool {
	scheme, token, _ := strings.Cut(given, " ")
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// slots are places for requests, one in the channel for each that is taken.
type slots chan struct{}

// limit turns a request away when all places are taken, rather than have it wait: the
// caller knows best whether it still matters later.
func (s slots) limit(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s <- struct{}{}:
			defer func() { <-s }()
			next(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			answerProblem(w, problem{Status: http.StatusTooManyRequests,
				Detail: "too many requests are being served; nothing was read of this one, send it again"})
		}
	}
}
