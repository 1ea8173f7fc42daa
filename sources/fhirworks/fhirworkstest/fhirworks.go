// Package fhirworkstest is a simulation of what a client sees of FHIR Works on AWS:
// its read, the API key, Amazon Cognito and a SMART authorization server, with
// tokens that expire. No live FHIR Works was asked.
package fhirworkstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// API is the simulation: an http.Handler. Its exported fields are set before its
// first call, but for Resources, which Set changes.
type API struct {
	Key, Username, Password, ClientID, ClientSecret, Audience string

	Life  time.Duration   // of a token; 0 is an hour
	Fault func(n int) int // the status of the n-th read, from 1; 0 is none

	mu        sync.Mutex
	resources map[string]string // by path, such as Patient/a or tenant/t/Patient/a
	tokens    map[string]time.Time
	issued    int
	reads     int
}

// ServerText is in every answer that is no success.
const ServerText = "secret-words-of-the-source"

// Set puts a resource at a path, "" deletes it.
func (a *API) Set(path, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.resources == nil {
		a.resources = map[string]string{}
	}
	a.resources[path] = body
}

// Revoke makes all tokens bad.
func (a *API) Revoke() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.tokens)
}

// Counts returns how many tokens were given, and reads made.
func (a *API) Counts() (tokens, reads int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.issued, a.reads
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Header.Get("X-Amz-Target") == "AWSCognitoIdentityProviderService.InitiateAuth":
		a.cognito(w, r, body)
	case r.URL.Path == "/oauth2/token":
		a.smart(w, r, body)
	default:
		a.read(w, r)
	}
}

func (a *API) token() (string, int) {
	life := a.Life
	if life == 0 {
		life = time.Hour
	}
	a.issued++
	token := fmt.Sprintf("secret-token-%d", a.issued)
	if a.tokens == nil {
		a.tokens = map[string]time.Time{}
	}
	a.tokens[token] = time.Now().Add(life)
	return token, int(life / time.Second)
}

func (a *API) cognito(w http.ResponseWriter, r *http.Request, body []byte) {
	var in struct {
		AuthFlow, ClientID string
		AuthParameters     map[string]string
	}
	_ = json.Unmarshal(body, &in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if r.Header.Get("Authorization") != "" || in.AuthFlow != "USER_PASSWORD_AUTH" || in.ClientID != a.ClientID ||
		in.AuthParameters["USERNAME"] != a.Username || in.AuthParameters["PASSWORD"] != a.Password {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"NotAuthorizedException","message":"`+ServerText+`"}`)
		return
	}
	token, life := a.token()
	_ = json.NewEncoder(w).Encode(map[string]any{"AuthenticationResult": map[string]any{
		"IdToken": token, "AccessToken": "not-this-one", "ExpiresIn": life, "TokenType": "Bearer",
	}})
}

func (a *API) smart(w http.ResponseWriter, r *http.Request, body []byte) {
	form, _ := url.ParseQuery(string(body))
	id, secret, _ := r.BasicAuth()
	w.Header().Set("Content-Type", "application/json")
	user := form.Get("grant_type") == "password" && form.Get("username") == a.Username && form.Get("password") == a.Password
	client := form.Get("grant_type") == "client_credentials" && form.Get("audience") == a.Audience
	if id != a.ClientID || secret != a.ClientSecret || form.Get("scope") != "system/*.read" || !user && !client {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"`+ServerText+`"}`)
		return
	}
	token, life := a.token()
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "expires_in": life, "token_type": "bearer"})
}

func (a *API) read(w http.ResponseWriter, r *http.Request) {
	a.reads++
	status := http.StatusOK
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	end, known := a.tokens[token]
	body, there := a.resources[strings.TrimPrefix(r.URL.Path, "/dev/")]
	switch {
	case r.Header.Get("X-Api-Key") != a.Key:
		status = http.StatusForbidden
	case !known || time.Now().After(end):
		status = http.StatusUnauthorized
	case a.Fault != nil && a.Fault(a.reads) != 0:
		status = a.Fault(a.reads)
	case !there:
		status = http.StatusNotFound
	case body == "":
		status = http.StatusGone
	}
	if status != http.StatusOK {
		body = ServerText
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
