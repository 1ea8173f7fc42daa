package audit

import (
	"cmp"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Redacted stands for a secret.
const Redacted = "(redacted)"

var (
	secretKey = regexp.MustCompile(`(?i)(secret|password|passphrase|token|credential|api_?key|access_?key|private)`)
	userinfo  = regexp.MustCompile(`://[^/@\s]*@`)
)

// Redact returns what the log may hold of a setting or flag: no secret. Job files
// hold none today; this keeps it so when one does.
func Redact(key, value string) string {
	if value == "" {
		return ""
	}
	if secretKey.MatchString(key) {
		return Redacted
	}
	return userinfo.ReplaceAllString(value, "://"+Redacted+"@")
}

// placeNames are the last parts of keys that name something outside, whatever
// their value looks like.
var placeNames = []string{"location", "binaries", "output", "export_to", "kms_key", "role_arn", "table_arn", "datastore", "datastores"}

// Places lists what the settings name, by key. dir is what directories are
// relative to, region what AWS takes where the settings name none.
func Places(settings map[string]string, dir, region string) (places []Place) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		for value := range strings.SplitSeq(settings[key], ",") {
			if value = strings.TrimSpace(value); value == "" || value == "none" {
				continue
			}
			last := key[strings.LastIndexByte(key, '.')+1:]
			if !slices.Contains(placeNames, last) && !strings.HasPrefix(value, "s3://") && !arn.IsARN(value) {
				continue
			}
			if tenant, store, ok := strings.Cut(value, "="); ok && last == "datastores" {
				places = append(places, place(settings, key+"."+tenant, store, dir, region))
				continue
			}
			places = append(places, place(settings, key, value, dir, region))
		}
	}
	return places
}

func place(settings map[string]string, key, value, dir, region string) Place {
	p := Place{Setting: key, Name: value}
	if parsed, err := arn.Parse(value); err == nil {
		p.Region, p.Account = parsed.Region, parsed.AccountID
		return p
	}
	last := key[strings.LastIndexByte(key, '.')+1:]
	if isDirectory := !strings.HasPrefix(value, "s3://") && (last == "location" || last == "binaries"); isDirectory {
		if !filepath.IsAbs(value) {
			p.Name = filepath.Join(dir, value)
		}
		return p
	}
	p.Region = cmp.Or(beside(settings, key, "region"), region)
	if strings.HasPrefix(value, "s3://") {
		p.Account = beside(settings, key, "expected_bucket_owner")
	}
	return p
}

// beside returns the setting of that name in the nearest section around a key.
func beside(settings map[string]string, key, name string) string {
	for at := strings.LastIndexByte(key, '.'); at >= 0; at = strings.LastIndexByte(key[:at], '.') {
		if value := settings[key[:at]+"."+name]; value != "" {
			return value
		}
	}
	return ""
}
