package awstest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// skew is how far a client's clock may be off.
const skew = 5 * time.Minute

// Signature says how requests to a service have to be signed.
type Signature struct {
	Service string // the name for which requests are signed
	Region  string
	// Keys holds the secret of each access key that is let in, "" of one that has
	// expired.
	Keys map[string]string
}

// Check recomputes the signature of a request (AWS Signature Version 4), whose
// body it is given. It returns the code of the error, or "".
func (s Signature) Check(r *http.Request, body []byte, now time.Time) string {
	given := r.Header.Get("Authorization")
	if given == "" {
		return "MissingAuthenticationTokenException"
	}
	fields, ok := authorization(given)
	scope := strings.Split(fields["Credential"], "/")
	if !ok || len(scope) != 5 {
		return "IncompleteSignatureException"
	}
	key, day, region, service := scope[0], scope[1], scope[2], scope[3]
	secret, known := s.Keys[key]
	switch {
	case !known:
		return "UnrecognizedClientException"
	case secret == "":
		return "ExpiredTokenException"
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || at.Format("20060102") != day || service != s.Service || region != s.Region || at.Sub(now).Abs() > skew {
		return "InvalidSignatureException"
	}
	signed := strings.Split(fields["SignedHeaders"], ";")
	if !slices.Contains(signed, "host") || !wellEscaped(r.URL.RawQuery) {
		return "InvalidSignatureException"
	}
	ours := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	for _, name := range signed {
		switch name {
		case "host":
		case "content-length":
			ours.ContentLength = r.ContentLength
		default:
			ours.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	url := *r.URL
	ours.URL = &url // the signer writes the query anew
	hash := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	err = v4.NewSigner().SignHTTP(context.Background(), credentials, ours, hex.EncodeToString(hash[:]), service, region, at)
	if err != nil || subtle.ConstantTimeCompare([]byte(ours.Header.Get("Authorization")), []byte(given)) != 1 {
		return "InvalidSignatureException"
	}
	return ""
}

// authorization splits AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...
func authorization(header string) (map[string]string, bool) {
	list, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	fields := map[string]string{}
	for field := range strings.SplitSeq(list, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	return fields, ok && fields["Credential"] != "" && fields["SignedHeaders"] != "" && fields["Signature"] != ""
}

// wellEscaped refuses a value with a bare =, as in the page token of a
// Bundle.link, which has to be escaped before it is signed.
func wellEscaped(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		if _, value, _ := strings.Cut(pair, "="); strings.Contains(value, "=") {
			return false
		}
	}
	return true
}
