package fhirworks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/tokens"
)

// Options say where the API is, and who calls it.
type Options struct {
	URL    string // without the tenant
	Key    tokens.Secret
	Tenant string // "" in a deployment without tenants
	Login  Login

	RequestsPerSecond float64
	Patience          time.Duration     // how long one call is tried again; 0 is 5 minutes
	Transport         http.RoundTripper // nil is http.DefaultTransport
}

// Client reads from the API. It is safe for concurrent use.
type Client struct {
	options Options
	base    string
	http    *http.Client
	tokens  *tokens.Source
	pace    *rate.Limiter
}

var _ verify.Reader = (*Client)(nil)

const (
	attemptTimeout = time.Minute
	longestPause   = 10 * time.Second
	object         = "the FHIR Works API"
	hintLogin      = "correct API_KEY and COGNITO_*, or SMART_API_KEY and SMART_*, in the environment or .env"
	hintLater      = "run the same command again later; it goes on where it stopped"
)

// New returns a client. Nobody is asked yet.
func New(o Options) (*Client, error) {
	at, err := url.Parse(o.URL)
	if err != nil || at.Host == "" || at.Scheme != "https" && (at.Scheme != "http" || !net.ParseIP(at.Hostname()).IsLoopback()) {
		return nil, &pipeline.Error{
			Op: "open", Object: object, Kind: pipeline.KindConfig, Err: errors.New("its URL is not one of https"),
			Hint: "set API_URL, or SMART_SERVICE_URL, to https://<api>/<stage>",
		}
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Minute
	}
	c := &Client{
		options: o, base: strings.TrimSuffix(o.URL, "/") + "/",
		// A key follows no redirect.
		http: &http.Client{Transport: o.Transport, Timeout: attemptTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		pace: rate.NewLimiter(rate.Limit(o.RequestsPerSecond), max(1, int(o.RequestsPerSecond))),
	}
	if o.Tenant != "" {
		c.base += "tenant/" + url.PathEscape(o.Tenant) + "/"
	}
	c.tokens = tokens.NewSource(o.Login.ask(c.http))
	return c, nil
}

// statusError is an answer that is no success.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// Read implements [verify.Reader].
func (c *Client) Read(ctx context.Context, resourceType, id string, take func(io.Reader) error) (exists bool, err error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.MaxInterval = longestPause
	began, refused := time.Now(), false
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		token, err := c.tokens.Token(ctx, false)
		if err == nil {
			exists, err = c.attempt(ctx, token, resourceType+"/"+url.PathEscape(id), take)
		}
		again := time.Since(began) < c.options.Patience && passes(err)
		if status, ok := errors.AsType[statusError](err); ok && status == http.StatusUnauthorized && !refused {
			c.tokens.Refuse(token)
			refused, again = true, true
		}
		if err != nil && !again {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0))
	if err != nil && ctx.Err() != nil {
		return false, ctx.Err()
	}
	return exists, fault(err)
}

func (c *Client) attempt(ctx context.Context, token, path string, take func(io.Reader) error) (exists bool, err error) {
	if err := c.pace.Wait(ctx); err != nil {
		return false, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return false, err
	}
	r.Header.Set("X-Api-Key", string(c.options.Key))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/fhir+json")
	answer, err := c.http.Do(r)
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusOK:
		return true, take(received{answer.Body})
	case http.StatusNotFound, http.StatusGone:
		return false, nil
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	return false, statusError(answer.StatusCode)
}

// errBroken marks an answer that broke off.
var errBroken = errors.New("the answer broke off")

type received struct{ body io.Reader }

func (r received) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

// passes tells whether an error may be gone at the next attempt.
func passes(err error) bool {
	_, isURL := errors.AsType[*url.Error](err)
	status, _ := errors.AsType[statusError](err)
	return isURL || errors.Is(err, errBroken) || errors.Is(err, tokens.ErrServer) || status == http.StatusTooManyRequests || status >= 500
}

// fault turns an error into one in our own words: those of libraries hold URLs.
func fault(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*pipeline.Error](err); ok {
		return err
	}
	e := &pipeline.Error{Op: "read a resource of", Object: object, Kind: pipeline.KindFatal, Err: errors.New("the request is refused"), Hint: "look at the logs of the API"}
	status, isStatus := errors.AsType[statusError](err)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.Kind, e.Err, e.Hint = pipeline.KindAuth, errors.New("access denied"), hintLogin
	case passes(err):
		e.Kind, e.Err, e.Hint = pipeline.KindRetryLater, errors.New("it cannot be reached, or fails"), hintLater
	}
	if isStatus {
		e.Err = fmt.Errorf("%w (%w)", e.Err, status)
	}
	return e
}
