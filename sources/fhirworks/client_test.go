package fhirworks_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/fhirworks"
	"github.com/fhirhose/fhirhose/sources/fhirworks/fhirworkstest"
	"github.com/fhirhose/fhirhose/tokens"
)

// Every secret, id and word of the server begins like this, and so does the host.
const canary = "secret-"

func newAPI() *fhirworkstest.API {
	return &fhirworkstest.API{
		Key: canary + "key", Username: canary + "user", Password: canary + "password",
		ClientID: canary + "client", ClientSecret: canary + "client-secret", Audience: "aud",
	}
}

// carrier carries calls to the simulation without a network.
type carrier struct{ http.Handler }

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	c.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

const host = "https://" + canary + "host.example"

func options(a *fhirworkstest.API, login fhirworks.Login) fhirworks.Options {
	return fhirworks.Options{URL: host + "/dev", Key: tokens.Secret(a.Key), Login: login, RequestsPerSecond: 1000, Transport: carrier{a}}
}

func logins(a *fhirworkstest.API) map[string]fhirworks.Login {
	return map[string]fhirworks.Login{
		"Cognito": {Region: "us-east-1", ClientID: a.ClientID, Username: a.Username, Password: tokens.Secret(a.Password), Endpoint: host},
		"password": {Grant: tokens.Grant{
			URL: host + "/oauth2/token", ClientID: a.ClientID, ClientSecret: tokens.Secret(a.ClientSecret), Username: a.Username, Password: tokens.Secret(a.Password),
		}},
		"client": {Grant: tokens.Grant{URL: host + "/oauth2/token", ClientID: a.ClientID, ClientSecret: tokens.Secret(a.ClientSecret), Audience: "aud"}},
	}
}

func read(t *testing.T, o fhirworks.Options, id string) (string, error) {
	t.Helper()
	c, err := fhirworks.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, c, id)
}

func ask(t *testing.T, c *fhirworks.Client, id string) (text string, err error) {
	t.Helper()
	exists, err := c.Read(t.Context(), "Patient", id, func(body io.Reader) error {
		all, err := io.ReadAll(body)
		text = string(all)
		return err
	})
	if err == nil && !exists {
		text = "none"
	}
	return text, err
}

func TestRead(t *testing.T) {
	for name := range logins(newAPI()) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAPI()
				a.Set("Patient/"+canary+"1", "one")
				a.Set("tenant/t/Patient/"+canary+"1", "of t")
				a.Set("Patient/deleted", "")
				o := options(a, logins(a)[name])
				for id, want := range map[string]string{canary + "1": "one", "deleted": "none", "never": "none"} {
					if got, err := read(t, o, id); got != want || err != nil {
						t.Errorf("%q %v", got, err)
					}
				}
				o.Tenant = "t"
				if got, err := read(t, o, canary+"1"); got != "of t" || err != nil {
					t.Errorf("%q %v", got, err)
				}
			})
		})
	}
}

// TestTokens (WV9): renewed before they end, for two days, and once when refused.
func TestTokens(t *testing.T) {
	for name := range logins(newAPI()) {
		synctest.Test(t, func(t *testing.T) {
			a := newAPI()
			a.Set("Patient/p", "p")
			c, err := fhirworks.New(options(a, logins(a)[name]))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for began := time.Now(); time.Since(began) < 48*time.Hour; time.Sleep(7 * time.Minute) {
				n++
				if _, err := ask(t, c, "p"); err != nil {
					t.Fatal(err)
				}
			}
			if issued, reads := a.Counts(); issued < 45 || issued > 49 || reads != n {
				t.Errorf("%s: %d tokens, %d reads of %d", name, issued, reads, n)
			}
			before, _ := a.Counts()
			a.Revoke()
			if _, err := ask(t, c, "p"); err != nil {
				t.Error(err)
			}
			if issued, reads := a.Counts(); issued != before+1 || reads != n+2 {
				t.Errorf("%s: %d tokens, %d reads after a refusal", name, issued-before, reads-n)
			}
		})
	}
}

// TestErrors: no token, id, key, URL or word of the server is in any (I10).
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(a *fhirworkstest.API, o *fhirworks.Options)
		kind   pipeline.Kind
		words  string
	}{
		{"wrong key", func(_ *fhirworkstest.API, o *fhirworks.Options) { o.Key = canary + "other" }, pipeline.KindAuth, "status 403"},
		{"wrong password", func(_ *fhirworkstest.API, o *fhirworks.Options) {
			o.Login.Password, o.Login.Grant.ClientSecret = canary+"other", canary+"other"
		}, pipeline.KindAuth, ""},
		{"never a good token", func(a *fhirworkstest.API, _ *fhirworks.Options) { a.Fault = func(int) int { return 401 } }, pipeline.KindAuth, "status 401"},
		{"fails", func(a *fhirworkstest.API, _ *fhirworks.Options) { a.Fault = func(int) int { return 500 } }, pipeline.KindRetryLater, "status 500"},
		{"refuses", func(a *fhirworkstest.API, _ *fhirworks.Options) { a.Fault = func(int) int { return 400 } }, pipeline.KindFatal, "status 400"},
		{"redirects", func(a *fhirworkstest.API, _ *fhirworks.Options) { a.Fault = func(int) int { return 302 } }, pipeline.KindFatal, "status 302"},
		{"no connection", func(_ *fhirworkstest.API, o *fhirworks.Options) { o.Transport = unreachable{} }, pipeline.KindRetryLater, "cannot be reached"},
	} {
		for login := range logins(newAPI()) {
			t.Run(c.name+", "+login, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := newAPI()
					o := options(a, logins(a)[login])
					c.change(a, &o)
					_, err := read(t, o, canary+"id")
					if pipeline.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.words) {
						t.Errorf("%v of kind %d", err, pipeline.KindOf(err))
					}
					said := fmt.Sprintf("%+v %s", o, pipeline.HintOf(err))
					said = strings.ReplaceAll(said, o.URL, "")
					for _, part := range []string{a.Key, a.Password, a.ClientSecret} {
						if strings.Contains(said, part) {
							t.Errorf("%s is printed", part)
						}
					}
					for e := err; e != nil; e = errors.Unwrap(e) {
						if strings.Contains(e.Error(), canary) {
							t.Errorf("%q tells", e)
						}
					}
				})
			})
		}
	}
	for _, at := range []string{canary, "http://" + canary + "host", "", "://" + canary} {
		if _, err := fhirworks.New(fhirworks.Options{URL: at}); pipeline.KindOf(err) != pipeline.KindConfig || strings.Contains(err.Error(), canary) {
			t.Error(err)
		}
	}
}

type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New(canary + "network")
}

// TestTransientFailures pass.
func TestTransientFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI()
		a.Set("Patient/p", "p")
		a.Fault = func(n int) int { return map[int]int{1: 500, 2: 429, 3: 401, 4: 503}[n] }
		if got, err := read(t, options(a, logins(a)["Cognito"]), "p"); got != "p" || err != nil {
			t.Errorf("%q %v", got, err)
		}
	})
}
