package api

import (
	"net/http"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
)

// private serves callers, up to the limit of requests. Requests without a token do not count.
func (s *server) private(next http.HandlerFunc) http.HandlerFunc {
	return s.guarded(s.requests.limit(next))
}

// waiting serves callers whose requests may wait for something to happen, up to a limit of their own:
// they must not keep orders out.
func (s *server) waiting(next http.HandlerFunc) http.HandlerFunc {
	return s.guarded(s.waits.limit(next))
}

// guarded serves requests with a valid token.
func (s *server) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Values("Authorization")
		if len(given) == 0 {
			unauthorized(w, "", "send the token: Authorization: Bearer …")
			return
		}
		if len(given) > 1 { // it would not be clear which one counts, here and in proxies
			answerProblem(w, problem{Status: http.StatusBadRequest, Detail: "send one Authorization header, not several"})
			return
		}
		caller := s.Callers.find(given[0])
		if caller == nil {
			unauthorized(w, `, error="invalid_token"`, "the token is wrong")
			return
		}
		conns.Known(r)
		recordOf(r).caller = caller
		next(w, r)
	}
}

func unauthorized(w http.ResponseWriter, challenge, detail string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="qfpay-worker"`+challenge)
	answerProblem(w, problem{Status: http.StatusUnauthorized, Detail: detail})
}
