package main

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/fhirhose/fhirhose/awsconfig"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
)

// identityWait is how long a verb waits to be told whom AWS takes it for.
const identityWait = 3 * time.Second

// identity asks AWS whom it takes this process for, and which region it is in where
// the settings name none. It never fails: the log then says why it does not know.
func identity(ctx context.Context, settings map[string]string) (who audit.Principal, region string) {
	unknown := func(reason string) (audit.Principal, string) {
		return audit.Principal{ARN: "unknown: " + reason}, region
	}
	switch {
	case !usesAWS(settings):
		return unknown("AWS is not used")
	case elsewhere():
		return unknown("the services are not those of AWS")
	}
	ctx, cancel := context.WithTimeout(ctx, identityWait)
	defer cancel()
	cfg, _, err := awsconfig.Load(ctx, "")
	if err != nil {
		return unknown("AWS configuration")
	}
	region = cfg.Region
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	cfg.Region = cmp.Or(settings["sink.region"], settings["target.healthlake.region"], settings["source.region"], region)
	if cfg.Region == "" {
		return unknown("no region")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return unknown("no credentials")
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	switch _, answered := errors.AsType[smithy.APIError](err); {
	case err == nil:
		return audit.Principal{ARN: aws.ToString(out.Arn), Account: aws.ToString(out.Account)}, region
	case answered:
		return unknown("refused")
	case ctx.Err() != nil:
		return unknown("no answer in time")
	}
	return unknown("unreachable")
}

func usesAWS(settings map[string]string) bool {
	for key, value := range settings {
		if strings.HasPrefix(value, "s3://") || strings.HasPrefix(value, "arn:aws") || value != "" && strings.HasPrefix(key, "target.healthlake.datastore") {
			return true
		}
	}
	return false
}

// elsewhere tells whether the job's services are look-alikes. Their credentials are
// none of AWS's business.
func elsewhere() bool {
	if os.Getenv("AWS_ENDPOINT_URL_STS") != "" || os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == "true" {
		return false
	}
	for _, service := range []string{"", "_S3", "_HEALTHLAKE", "_DYNAMODB"} {
		endpoint, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL" + service))
		if err != nil {
			return true
		}
		host := endpoint.Hostname()
		if host != "" && !strings.HasSuffix(host, ".amazonaws.com") && !strings.HasSuffix(host, ".amazonaws.com.cn") && !strings.HasSuffix(host, ".api.aws") {
			return true
		}
	}
	return false
}
