package tokens_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/tokens"
)

func TestSecretsAreNotPrinted(t *testing.T) {
	g := tokens.Grant{ClientSecret: "canary", Password: "canary"}
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprint(g), fmt.Sprintf("%+v", g), fmt.Sprintf("%#v", &g), fmt.Sprintf("%q %x", g.Password, g.Password), string(text)} {
		if strings.Contains(printed, "canary") || strings.Contains(printed, "63616e617279") {
			t.Error(printed)
		}
	}
}

// TestSource (WV9): a token is used until shortly before its end, and asked for
// once, whoever needs it; one that is refused is not used again.
func TestSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := tokens.NewSource(func(context.Context) (tokens.Token, error) {
			asked++
			time.Sleep(time.Second)
			return tokens.Token{Text: fmt.Sprint("token-", asked), Expires: time.Now().Add(time.Hour)}, nil
		})
		get := func(refused bool) string {
			token, err := s.Token(t.Context(), refused)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		expect := func(got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { expect(get(false), "token-1") })
		}
		all.Wait()
		time.Sleep(58 * time.Minute)
		expect(get(false), "token-1")
		time.Sleep(90 * time.Second)
		expect(get(false), "token-2")
		s.Refuse("token-1") // an answer that comes late
		expect(get(false), "token-2")
		s.Refuse("token-2")
		s.Refuse("token-2")
		expect(get(false), "token-3")
		expect(get(true), "token-4")
	})
}

// server answers like an authorization server, and keeps what it was sent.
func server(t *testing.T, answer func(w http.ResponseWriter, form url.Values)) (string, *[]string) {
	var sent []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		user, secret, _ := r.BasicAuth()
		sent = append(sent, user+":"+secret+" "+form.Encode())
		w.Header().Set("Content-Type", "application/json")
		answer(w, form)
	}))
	t.Cleanup(s.Close)
	return s.URL, &sent
}

func TestGrants(t *testing.T) {
	at, sent := server(t, func(w http.ResponseWriter, _ url.Values) {
		_, _ = io.WriteString(w, `{"access_token":"t","token_type":"bearer","expires_in":3600}`)
	})
	for _, c := range []struct {
		grant tokens.Grant
		want  string
	}{
		{
			tokens.Grant{ClientID: "c", ClientSecret: "s", Scope: "system/*.read", Audience: "aud"},
			"c:s audience=aud&grant_type=client_credentials&scope=system%2F%2A.read",
		},
		{
			tokens.Grant{ClientID: "c", ClientSecret: "s", Username: "u", Password: "p", Scope: "system/*.read"},
			"c:s grant_type=password&password=p&scope=system%2F%2A.read&username=u",
		},
	} {
		*sent = nil
		c.grant.URL = at
		token, err := c.grant.Ask(http.DefaultClient, "hint")(t.Context())
		if err != nil || token.Text != "t" || time.Until(token.Expires) < 50*time.Minute {
			t.Errorf("%+v %v", token, err)
		}
		if got := strings.Join(*sent, "\n"); got != c.want {
			t.Errorf("sent %s", got)
		}
	}
}

// TestGrantErrors: no error holds a secret, a URL or words of the server (I10).
func TestGrantErrors(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{400, `{"error":"invalid_grant","error_description":"canary"}`, "get a token: the authorization server gives none (status 400, invalid_grant)"},
		{401, `canary`, "get a token: the authorization server gives none (status 401)"},
		{403, `{"error":"Canary 42"}`, "get a token: the authorization server gives none (status 403)"},
		{200, `{"error":"access_denied"}`, "get a token: the authorization server gives none (status 200, access_denied)"},
		{500, `{"error":"canary"}`, "the authorization server fails"},
		{429, `canary`, "the authorization server fails"},
		{200, `canary`, "the authorization server fails"},
		{200, `{"canary":1}`, "the authorization server fails"},
	} {
		at, _ := server(t, func(w http.ResponseWriter, _ url.Values) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		_, err := tokens.Grant{URL: at, ClientID: "canary", ClientSecret: "canary", Username: "canary", Password: "canary"}.Ask(http.DefaultClient, "hint")(t.Context())
		if err == nil || err.Error() != c.want {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
		if refused := pipeline.KindOf(err) == pipeline.KindAuth; refused == errors.Is(err, tokens.ErrServer) || refused && pipeline.HintOf(err) != "hint" {
			t.Errorf("%d %s: %v of kind %d", c.status, c.body, err, pipeline.KindOf(err))
		}
	}
}
