package healthlake_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
	"github.com/fhirhose/fhirhose/tokens"
)

const clientSecret = healthlaketest.SecretKey + "-of-the-client"

// smartStore is a store whose tokens live for life.
func smartStore(life time.Duration) (*healthlaketest.Authority, healthlaketest.Options) {
	a := &healthlaketest.Authority{ClientID: "client", ClientSecret: clientSecret, Life: life}
	return a, healthlaketest.Options{Stores: []healthlaketest.Store{{ID: healthlaketest.DatastoreID, Authority: a}}}
}

func granted(secret tokens.Secret) func(*healthlake.Options) {
	return func(o *healthlake.Options) { o.Grant = tokens.Grant{ClientID: "client", ClientSecret: secret} }
}

func (r *rig) reads(store *healthlake.Store) {
	r.Helper()
	resource, err := store.Read(r.Context(), "Patient", secretID)
	r.check(err)
	equal(r.T, resource.State, healthlake.Missing)
}

// TestSMARTTokens (WV9): tokens are renewed before they end, for two days, and once
// when one is refused; the control plane is signed all the while.
func TestSMARTTokens(t *testing.T) {
	authority, o := smartStore(time.Hour)
	bubble(t, o, func(r *rig) {
		store := r.opened(granted(clientSecret))
		for began := time.Now(); time.Since(began) < 48*time.Hour; time.Sleep(7 * time.Minute) {
			r.reads(store)
			_, err := store.Describe(r.Context())
			r.check(err)
		}
		calls := r.simulation.Calls()
		if n := calls["token"]; n < 45 || n > 49 {
			r.Errorf("%d tokens in 48 hours", n)
		}
		if calls["read"] != calls["DescribeFHIRDatastore"]-1 { // or one was refused
			r.Errorf("%v", calls)
		}
		r.simulation.SetTraps(func(*healthlaketest.Traps) { authority.Revoke() })
		r.reads(store)
		r.reads(store)
		again := r.simulation.Calls()
		if again["token"] != calls["token"]+1 || again["read"] != calls["read"]+3 {
			r.Errorf("after a refusal: %v", again)
		}
	})
}

// TestSMARTShortTokens: of tokens that live for seconds, none is used to its end.
func TestSMARTShortTokens(t *testing.T) {
	_, o := smartStore(20 * time.Second)
	bubble(t, o, func(r *rig) {
		store := r.opened(granted(clientSecret))
		for range 100 {
			r.reads(store)
			time.Sleep(time.Second)
		}
		if calls := r.simulation.Calls(); calls["read"] != 100 || calls["token"] != 7 {
			r.Errorf("%v", calls)
		}
	})
}

func TestSMARTGrants(t *testing.T) {
	authority, o := smartStore(0)
	bubble(t, o, func(r *rig) {
		_, err := r.open()
		r.fails(err, pipeline.KindConfig, "HEALTHLAKE_SMART_CLIENT_ID")
		wrong := r.opened(granted("wrong" + clientSecret))
		began := time.Now()
		_, err = wrong.Read(r.Context(), "Patient", secretID)
		r.fails(err, pipeline.KindAuth, "status 401, invalid_client")
		if time.Since(began) > time.Minute {
			r.Error("a refused client is asked for again")
		}
		store := r.opened(granted(clientSecret))
		r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
			traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
				faults := []healthlaketest.Fault{healthlaketest.ServerError, healthlaketest.ServerError, healthlaketest.Reset, healthlaketest.Truncated, healthlaketest.Throttled}
				if n := (c.N - 3) / 2; c.Op == "token" && c.N >= 3 && n < len(faults) {
					return faults[n]
				}
				return healthlaketest.NoFault
			}
		})
		r.reads(store)
		for _, endpoint := range []string{"https://", "ftp://elsewhere/token", "elsewhere", "://"} {
			r.simulation.SetTraps(func(*healthlaketest.Traps) { authority.Endpoint = endpoint })
			_, err = r.open(granted(clientSecret))
			r.fails(err, pipeline.KindConfig, "names no token endpoint")
		}
	})
	bubble(t, healthlaketest.Options{}, func(r *rig) { // a store that takes signatures
		r.reads(r.opened(granted(clientSecret)))
		equal(r.T, r.simulation.Calls()["token"], 0)
	})
}

// redirecting sends whoever asks for a token elsewhere.
type redirecting struct {
	http.RoundTripper
	followed *bool
}

func (t redirecting) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case r.URL.Host == "elsewhere.example":
		*t.followed = true
	case strings.Contains(r.URL.Path, "oauth2"):
		return &http.Response{
			StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"http://elsewhere.example/"}}, Request: r, Body: http.NoBody,
		}, nil
	}
	return t.RoundTripper.RoundTrip(r)
}

// TestSecretsFollowNoRedirect: what is sent to the token endpoint goes nowhere else.
func TestSecretsFollowNoRedirect(t *testing.T) {
	_, o := smartStore(0)
	bubble(t, o, func(r *rig) {
		followed := false
		store := r.opened(granted(clientSecret), func(o *healthlake.Options) {
			o.HTTPClient = carrier{redirecting{r.simulation.Transport(), &followed}}
		})
		_, err := store.Read(r.Context(), "Patient", secretID)
		r.fails(err, pipeline.KindAuth, "status 307")
		if followed {
			r.Error("a secret followed a redirect")
		}
	})
}

// carrier follows no redirect itself.
type carrier struct{ http.RoundTripper }

func (c carrier) Do(r *http.Request) (*http.Response, error) { return c.RoundTrip(r) }
