package healthlaketest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Authority is the authorization server of a SMART store, at
// <simulation>/oauth2/token/<store>. It gives tokens for client credentials, sent
// by HTTP Basic. Its calls are of operation token.
type Authority struct {
	ClientID, ClientSecret string
	Life                   time.Duration // of a token; 0: its answers tell none, and it does not end
	Endpoint               string        // that the store's SMART configuration names; "" is the right one

	now    func() time.Time
	issued int
	tokens map[string]time.Time // to their end
}

// Revoke makes all tokens bad. It may be called in SetTraps alone.
func (a *Authority) Revoke() { clear(a.tokens) }

const (
	smartPath = ".well-known/smart-configuration"
	tokenPath = "/oauth2/token/"
	tokenOp   = "token"
)

func tokenEndpoint(r *http.Request, store *datastore) string {
	endpoint, _ := url.Parse(base(r, store.ID))
	endpoint.Path = tokenPath + store.ID
	return orElse(store.Authority.Endpoint, endpoint.String())
}

func (a *Authority) good(token string) bool {
	end, known := a.tokens[token]
	return known && (a.Life == 0 || a.now().Before(end))
}

// token answers a call of the token endpoint.
func (s *Simulation) token(r *request, fault Fault, answer *bytes.Buffer) (int, http.Header) {
	status, body := s.grant(r, fault)
	if json.NewEncoder(answer).Encode(body) != nil {
		status = http.StatusInternalServerError
	}
	return status, http.Header{"Content-Type": {"application/json"}}
}

func (s *Simulation) grant(r *request, fault Fault) (int, any) {
	refused := func(code string) any {
		return map[string]string{"error": code, "error_description": ServerText}
	}
	switch fault {
	case Throttled:
		return http.StatusTooManyRequests, refused("slow_down")
	case ServerError:
		return http.StatusInternalServerError, refused("server_error")
	case Unauthorized, Forbidden:
		return http.StatusUnauthorized, refused("access_denied")
	case NoFault, Reset, Lost, Truncated:
	}
	store := s.stores[r.store]
	if store == nil || store.Authority == nil {
		return http.StatusNotFound, refused("not_found")
	}
	a := store.Authority
	form, err := url.ParseQuery(string(r.body))
	id, secret, ok := r.BasicAuth()
	switch {
	case err != nil || form.Get("grant_type") != "client_credentials":
		return http.StatusBadRequest, refused("unsupported_grant_type")
	case !ok || id != a.ClientID || secret != a.ClientSecret:
		return http.StatusUnauthorized, refused("invalid_client")
	case form.Get("scope") == "":
		return http.StatusBadRequest, refused("invalid_scope")
	}
	a.issued++
	token := fmt.Sprintf("simulated-token-%d", a.issued)
	if a.tokens == nil {
		a.tokens = map[string]time.Time{}
	}
	a.tokens[token] = a.now().Add(a.Life)
	out := map[string]any{"access_token": token, "token_type": "Bearer"}
	if a.Life > 0 {
		out["expires_in"] = int(a.Life / time.Second)
	}
	return http.StatusOK, out
}
