package jobfile

import (
	"cmp"
	"strings"

	"github.com/fhirhose/fhirhose/sources/fhirworks"
	"github.com/fhirhose/fhirhose/tokens"
)

// Secrets come from the environment or .env alone: neither the job file nor a flag
// can hold one.

// storeGrant reads what a SMART data store's tokens are asked for with.
func storeGrant(env map[string]string) tokens.Grant {
	const prefix = "HEALTHLAKE_SMART_"
	return tokens.Grant{
		URL:          tokenURL(env[prefix+"OAUTH2_API_ENDPOINT"]),
		ClientID:     env[prefix+"CLIENT_ID"],
		ClientSecret: tokens.Secret(env[prefix+"CLIENT_SECRET"]),
		Scope:        env[prefix+"SCOPE"],
		Audience:     env[prefix+"AUDIENCE"],
	}
}

// sourceAPI reads how the live FHIR Works API is called, by the names of that tool:
// as SMART client where SMART_SERVICE_URL is set, else as user of Cognito.
func sourceAPI(env map[string]string) fhirworks.Options {
	if at := env["SMART_SERVICE_URL"]; at != "" {
		return fhirworks.Options{URL: at, Key: tokens.Secret(env["SMART_API_KEY"]), Login: fhirworks.Login{Grant: tokens.Grant{
			URL:          tokenURL(env["SMART_OAUTH2_API_ENDPOINT"]),
			ClientID:     env["SMART_CLIENT_ID"],
			ClientSecret: tokens.Secret(env["SMART_CLIENT_SECRET"]),
			Username:     env["SMART_AUTH_USERNAME"],
			Password:     tokens.Secret(env["SMART_AUTH_PASSWORD"]),
			Audience:     env["SMART_AUDIENCE"],
		}}}
	}
	return fhirworks.Options{URL: env["API_URL"], Key: tokens.Secret(env["API_KEY"]), Login: fhirworks.Login{
		Region:   cmp.Or(env["API_AWS_REGION"], env["AWS_REGION"]),
		ClientID: env["COGNITO_CLIENT_ID"],
		Username: env["COGNITO_USERNAME"],
		Password: tokens.Secret(env["COGNITO_PASSWORD"]),
		Endpoint: env["AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"],
	}}
}

// tokenURL is below the endpoint that the FHIR Works tool's variables name.
func tokenURL(endpoint string) string {
	if endpoint == "" {
		return ""
	}
	return strings.TrimSuffix(endpoint, "/") + "/token"
}
