// Package tokens gets the bearer tokens with which a REST API is called: from an
// OAuth 2.0 authorization server, by client credentials or by a password. Sources
// and sinks share it.
//
// A [Source] holds one token, renews it before it expires, and once when it was
// refused. No error holds a secret, a token, a URL, or words of the server (I10).
package tokens
