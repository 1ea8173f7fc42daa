package healthlake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/fhirhose/fhirhose/awsconfig"
)

// service is the name that signatures are made for.
const service = "healthlake"

// maxAnswer bounds the body of an answer (I7).
const maxAnswer = 64 << 20

// ErrTooLarge is of an answer over 64 MiB, such as a Binary: it is not read.
var ErrTooLarge = errors.New("larger than 64 MiB")

// answer is an answer of the REST API that was understood.
type answer struct {
	status  int
	version string // of the ETag; "" is none
	body    []byte
	at      time.Time // by the service's clock; zero where it tells none
}

// get is request of something to be read.
func (s *Store) get(ctx context.Context, op, path string, ok func(status int) bool) (answer, error) {
	return s.request(ctx, maxAnswer, op, http.MethodGet, path, nil, ok)
}

// request makes a call of the REST API below the store's base, again where that
// helps. An answer with a status of ok is returned, unless it has a body of more
// than most bytes; any other is an error, which names neither the path nor what the
// server says (I10).
func (s *Store) request(ctx context.Context, most int, op, method, path string, body []byte, ok func(status int) bool) (a answer, err error) {
	err = s.call(ctx, op, method, path, body, ok, func(response *http.Response) (err error) {
		a, err = whole(response, most)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return a, nil
}

// call is request with an answer that receive reads, each time anew.
func (s *Store) call(ctx context.Context, op, method, path string, body []byte, ok func(int) bool, receive func(*http.Response) error) error {
	_, err := persist(ctx, s, op, s.options.Datastore, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.attempt(ctx, method, path, body, ok, receive)
	})
	return err
}

func (s *Store) attempt(ctx context.Context, method, path string, body []byte, ok func(int) bool, receive func(*http.Response) error) error {
	if err := s.pace.Wait(ctx); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	if s.bearer == nil {
		if err := s.sign(ctx, r, body); err != nil {
			return err
		}
		return s.send(r, ok, receive)
	}
	token, err := s.bearer.token(ctx)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	err = s.send(r, ok, receive)
	if f := examine(err); f.isExpired() || f.isForbidden() {
		s.bearer.refuse(token)
	}
	return err
}

func (s *Store) sign(ctx context.Context, r *http.Request, body []byte) error {
	credentials, err := s.credentials.Retrieve(ctx)
	if err != nil {
		return &awsconfig.CredentialError{Err: err}
	}
	sum := sha256.Sum256(body)
	return v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), service, s.region, time.Now())
}

func (s *Store) send(r *http.Request, ok func(int) bool, receive func(*http.Response) error) error {
	response, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if !ok(response.StatusCode) {
		// So that the connection can be used again.
		_, _ = io.CopyN(io.Discard, response.Body, maxErrorBody)
		return &statusError{response.StatusCode, response.Header.Get("Date")}
	}
	return receive(response)
}

// whole reads an answer of up to most bytes into memory.
func whole(response *http.Response, most int) (a answer, err error) {
	a.status, a.version = response.StatusCode, versionOf(response.Header.Get("ETag"))
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		a.at = at
	}
	if a.body, err = io.ReadAll(io.LimitReader(received{response.Body}, int64(most)+1)); err != nil {
		return answer{}, err
	}
	if len(a.body) > most {
		return answer{}, ErrTooLarge
	}
	return a, nil
}

// received marks failures of reading an answer: whatever they are, the call may
// be made again.
type received struct{ body io.Reader }

func (r received) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &receiveError{err}
	}
	return n, err
}

const maxErrorBody = 64 << 10
