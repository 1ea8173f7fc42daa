package awstest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing/iotest"
)

// Transport carries requests to a handler without a network, so that it works
// inside of testing/synctest. A handler that panics with http.ErrAbortHandler
// breaks the connection: within the answer if it has flushed some of it, before
// it otherwise.
func Transport(to http.Handler) http.RoundTripper { return transport{to} }

type transport struct{ to http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	received := r.Clone(r.Context())
	if received.Host == "" {
		received.Host = r.URL.Host
	}
	if received.Body == nil {
		received.Body = http.NoBody
	}
	defer func() { _ = received.Body.Close() }()
	recorder := httptest.NewRecorder()
	broken := t.serve(recorder, received)
	answer := recorder.Result()
	switch {
	case broken && !recorder.Flushed && r.Context().Err() != nil:
		return nil, r.Context().Err()
	case broken && !recorder.Flushed:
		return nil, io.ErrUnexpectedEOF
	case broken:
		answer.Body = io.NopCloser(io.MultiReader(answer.Body, iotest.ErrReader(io.ErrUnexpectedEOF)))
	}
	return answer, nil
}

// serve tells whether the connection breaks.
func (t transport) serve(w http.ResponseWriter, r *http.Request) (broken bool) {
	defer func() {
		switch reason := recover(); reason {
		case nil:
		case http.ErrAbortHandler:
			broken = true
		default:
			panic(reason)
		}
	}()
	t.to.ServeHTTP(w, r)
	return false
}
