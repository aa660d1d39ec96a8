package api

import "net/http"

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
