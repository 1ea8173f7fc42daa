package fhirworks

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/tokens"
)

// Login is who calls the API: a user of Cognito, or what a SMART authorization
// server gives tokens for.
type Login struct {
	Grant tokens.Grant // if it has a URL, it counts

	Region   string
	ClientID string
	Username string
	Password tokens.Secret
	Endpoint string // of Cognito; "" is that of the region
}

// scope is what reading everything takes.
const scope = "system/*.read"

func (l Login) ask(client *http.Client) tokens.Ask {
	if l.Grant.URL != "" {
		grant := l.Grant
		if grant.Scope == "" {
			grant.Scope = scope
		}
		return grant.Ask(client, hintLogin)
	}
	o := cognito.Options{
		Region: l.Region, Credentials: aws.AnonymousCredentials{}, HTTPClient: client, Logger: logging.Nop{},
		Retryer: aws.NopRetryer{}, // Client.Read repeats
	}
	if l.Endpoint != "" {
		o.BaseEndpoint = &l.Endpoint
	}
	service := cognito.New(o)
	return func(ctx context.Context) (tokens.Token, error) {
		asked := time.Now()
		out, err := service.InitiateAuth(ctx, &cognito.InitiateAuthInput{
			AuthFlow: types.AuthFlowTypeUserPasswordAuth, ClientId: &l.ClientID,
			AuthParameters: map[string]string{"USERNAME": l.Username, "PASSWORD": string(l.Password)},
		})
		switch {
		case err != nil:
			return tokens.Token{}, cognitoError(err)
		case out.AuthenticationResult == nil || out.AuthenticationResult.IdToken == nil:
			return tokens.Token{}, refusal("Cognito asks for more than a password, such as a new one")
		}
		// FHIR Works lets in the IdToken, not the access token.
		return tokens.Token{Text: *out.AuthenticationResult.IdToken, Expires: asked.Add(time.Duration(out.AuthenticationResult.ExpiresIn) * time.Second)}, nil
	}
}

func refusal(words string) error {
	return &pipeline.Error{Op: "log in to", Object: object, Kind: pipeline.KindAuth, Err: errors.New(words), Hint: hintLogin}
}

// cognitoError takes from an error what may be shown.
func cognitoError(err error) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return err
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if ok {
		switch api.ErrorCode() {
		case "NotAuthorizedException", "UserNotFoundException":
			return refusal("Cognito refuses user or password")
		case "ResourceNotFoundException", "InvalidParameterException", "PasswordResetRequiredException", "UserNotConfirmedException":
			return refusal("Cognito says " + api.ErrorCode())
		}
	}
	return tokens.ErrServer
}
