package tokens

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Grant is what an authorization server gives tokens for: those of the client, or,
// with a Username, those of a user.
type Grant struct {
	URL          string // of the token endpoint
	ClientID     string
	ClientSecret Secret
	Username     string
	Password     Secret
	Scope        string // parted by spaces
	Audience     string // "" is none
}

// Ask returns what asks the authorization server. A grant that is refused is
// KindAuth, with hint; other errors are those of the connection, or [ErrServer].
func (g Grant) Ask(client *http.Client, hint string) Ask {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // secrets follow no redirect
	config := clientcredentials.Config{
		ClientID: g.ClientID, ClientSecret: string(g.ClientSecret), TokenURL: g.URL, Scopes: strings.Fields(g.Scope),
		EndpointParams: url.Values{},
	}
	if g.Audience != "" {
		config.EndpointParams.Set("audience", g.Audience)
	}
	if g.Username != "" {
		config.EndpointParams.Set("grant_type", "password")
		config.EndpointParams.Set("username", g.Username)
		config.EndpointParams.Set("password", string(g.Password))
	}
	return func(ctx context.Context) (Token, error) {
		t, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, &own))
		if err != nil {
			return Token{}, plain(err, hint)
		}
		return Token{Text: t.AccessToken, Expires: t.Expiry}, nil
	}
}

// ErrServer says that an authorization server does not do its work.
var ErrServer = errors.New("the authorization server fails")

// codes of a refused grant, of RFC 6749.
var codePattern = regexp.MustCompile(`^[a-z_]{1,40}$`)

// plain takes from an error what may be shown: what the server answers may hold
// anything.
func plain(err error, hint string) error {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok:
		if _, isURL := errors.AsType[*url.Error](err); isURL {
			return err // of the connection: for who scrubs it
		}
		return ErrServer // such as an answer that is no JSON, which err quotes
	case e.Response == nil || e.Response.StatusCode >= 500 || e.Response.StatusCode == http.StatusTooManyRequests:
		return ErrServer
	}
	words := fmt.Sprintf("the authorization server gives none (status %d)", e.Response.StatusCode)
	if codePattern.MatchString(e.ErrorCode) {
		words = fmt.Sprintf("the authorization server gives none (status %d, %s)", e.Response.StatusCode, e.ErrorCode)
	}
	return &pipeline.Error{Op: "get a token", Kind: pipeline.KindAuth, Err: errors.New(words), Hint: hint}
}
