package jobfile

import (
	"strings"

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

// tokenURL is below the endpoint that the FHIR Works tool's variables name.
func tokenURL(endpoint string) string {
	if endpoint == "" {
		return ""
	}
	return strings.TrimSuffix(endpoint, "/") + "/token"
}
