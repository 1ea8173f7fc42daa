package objecttest

import (
	"io"
	"net/http"
	"strings"
)

// unconfigured is what S3 says of a bucket for which nothing was set.
var unconfigured = map[string]string{
	"versioning":  "<VersioningConfiguration/>",
	"object-lock": "ObjectLockConfigurationNotFoundError",
	"lifecycle":   "NoSuchLifecycleConfiguration",
	"encryption":  "ServerSideEncryptionConfigurationNotFoundError",
	"region":      "us-east-1",
	// Since 2023 new buckets have all of them.
	"publicAccessBlock": "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>" +
		"<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
}

// Configure sets what the bucket answers when it is asked for "versioning",
// "object-lock", "lifecycle", "encryption" or "publicAccessBlock": an XML document, or the code of an
// error, of which AccessDenied is a 403 and every other a 404. "region" is where
// it lies, or AccessDenied.
func (m *Memory) Configure(what, answer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answers == nil {
		m.answers = map[string]string{}
	}
	m.answers[what] = answer
}

func (m *Memory) answer(what string) string {
	if answer, ok := m.answers[what]; ok {
		return answer
	}
	return unconfigured[what]
}

// configuration answers what is asked about the bucket itself.
func (m *Memory) configuration(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodHead {
		if m.answer("region") == "AccessDenied" {
			fail(w, r, http.StatusForbidden, "AccessDenied")
		} else {
			w.Header().Set("X-Amz-Bucket-Region", m.answer("region"))
		}
		return true
	}
	for what := range unconfigured {
		if r.Method != http.MethodGet || !r.URL.Query().Has(what) {
			continue
		}
		switch answer := m.answer(what); {
		case strings.HasPrefix(answer, "<"):
			w.Header().Set("Content-Type", "application/xml")
			_, _ = io.WriteString(w, answer)
		case answer == "AccessDenied":
			fail(w, r, http.StatusForbidden, answer)
		default:
			fail(w, r, http.StatusNotFound, answer)
		}
		return true
	}
	return false
}
