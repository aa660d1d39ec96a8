package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// private serves requests with the token, up to the limit of requests. Requests without the
// token do not count.
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
			answerProblem(w, problem{Status: http.StatusUnauthorized, Detail: "the token is wrong"})
		}
	}
}

// authorized compares in constant time.
func (s *server) authorized(given string) bool {
	scheme, token, _ := strings.Cut(given, " ")
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// slots limits requests. The channel has one element for each request.
type slots chan struct{}

// limit refuses a request if there are too many, instead of letting it wait: only the client
// knows whether the request is still useful later.
func (s slots) limit(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s <- struct{}{}:
			defer func() { <-s }()
			next(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			answerProblem(w, problem{Status: http.StatusTooManyRequests,
				Detail: "too many requests at once; this one was not read, send it again"})
		}
	}
}
